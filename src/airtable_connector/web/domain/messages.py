"""What messages of droplets ask of the base: the same questions and writes as over HTTP, through the same doors.

A message's payload names a verb (``query``, ``command``, ``request`` or ``action``) and what goes with it. Types that
only tell something (event, status, response, error) ask for nothing.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final, TypeAlias

import orjson

from airtable_connector.kernel.errors import Invalid
from airtable_connector.kernel.jsonvalues import JsonValue, describe
from airtable_connector.kernel.suggest import did_you_mean
from airtable_connector.mesh import Asks, Changes, Message, MessageType, Sender, Tells, Wish
from airtable_connector.ops import DailyDigest
from airtable_connector.records import (
    Actor,
    Delete,
    Done,
    Operation,
    RecordNotFound,
    Table,
    Update,
    Workspace,
    write_offset,
)
from airtable_connector.web.domain.bodies import creations, read_fields_of, read_records, upserts
from airtable_connector.web.domain.errors import InvalidMember, UnknownParameter
from airtable_connector.web.domain.listing import naming_the_filter, project, read_count, read_fields, read_listing
from airtable_connector.web.domain.overview import read_date
from airtable_connector.web.http import MissingPermission

Facts: TypeAlias = Callable[[], Awaitable[Mapping[str, object]]]
"""Something that the connector tells about itself."""

AS_OF_PATIENCE: Final = timedelta(seconds=5)
"""How long a question waits for the feed position that it asks for."""

LARGEST_PAGE: Final = 100
"""Records in one answer to a message, which is kept; more come with ``offset``."""

VERB_MEMBERS: Final = ("query", "command", "request", "action")
"""Members of a payload that name the verb; the first that is there counts."""

SYNONYMS: Final[Mapping[str, str]] = {
    "metrics": "state",
    "status": "state",
    "proofs": "proof",
    "digest": "digest",
    "daily-digest": "digest",
    "dailydigest": "digest",
    "record": "get",
    "read": "get",
    "list": "list",
    "change": "update",
    "patch": "update",
    "remove": "delete",
    "add": "create",
}
"""Words that peers use today, and the verb that each means."""

_QUESTION_MEMBERS: Final = ("table", "filter", "limit", "offset", "sort", "fields", "q", "updated_since", "as_of", "id")
_WRITING: Final = ("create", "update", "upsert", "delete")


class UnknownVerb(Invalid):
    """A message asks for something that we do not do."""

    code = "unknown-verb"

    def __init__(self, verb: str, known: Sequence[str]) -> None:
        super().__init__(
            f"{verb[:80]!r} is nothing that this droplet does",
            field="payload",
            hint=did_you_mean(verb, known),
            facts={"known": list(known)},
        )


class VerbMissing(Invalid):
    """A query or command does not say what it wants."""

    code = "verb-missing"

    def __init__(self, known: Sequence[str]) -> None:
        super().__init__(
            "the payload does not say what is wanted",
            field="payload",
            hint='name it, for example {"query": "sprints"} or {"command": "create", "table": "sprints", "fields": {}}',
            facts={"known": list(known)},
        )


class QueryThatWrites(Invalid):
    """A message of type query asks for a change."""

    code = "query-that-writes"

    def __init__(self, verb: str) -> None:
        super().__init__(f"{verb} changes the base, and a query must not", field="message_type", hint="send a command")


class DomainMessages:
    """Makes out what a message wants of the base.

    Args:
        workspace: the base.
        collections: its tables by the names that callers use (``sprints``).
        digest: counts a day.
        facts: what can be asked about the connector itself, by verb.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        collections: Mapping[str, str],
        digest: DailyDigest,
        facts: Mapping[str, Facts],
    ) -> None:
        self._workspace = workspace
        self._collections = dict(collections)
        self._digest = digest
        self._facts = facts
        self.verbs = ("ping", "get", "list", *collections, *facts, "digest", *_WRITING)
        """Everything that can be asked for."""

    def understand(self, message: Message, sender: Sender) -> Wish:
        """Make out what a message wants.

        Raises:
            UnknownVerb, VerbMissing, QueryThatWrites, MissingPermission: it wants nothing that we do for this sender.
            Invalid, NotFound: as for the same request over HTTP.
        """
        if message.type not in {MessageType.QUERY, MessageType.COMMAND}:
            return Tells()
        verb, rest = self._verb(message.payload)
        changing = verb in _WRITING or verb == "digest"
        if changing and message.type is MessageType.QUERY and verb != "digest":
            raise QueryThatWrites(verb)
        needed = "write" if changing and message.type is MessageType.COMMAND else "read"
        if needed not in sender.permissions:
            raise MissingPermission(needed, sender.permissions)
        if verb in self._facts:
            return self._ask_about_us(verb, rest)
        match verb:
            case "ping":
                return self._ask_about_us(verb, rest)
            case "digest":
                actor = Actor(sender.droplet, message.trace_id) if needed == "write" else None
                return self._ask_digest(rest, actor)
            case "create" | "update" | "upsert" | "delete":
                return self._change(verb, rest)
        return self._ask_records(self._collections.get(verb), rest)

    async def ask(self, payload: Mapping[str, JsonValue]) -> Mapping[str, object]:
        """Answer a question that came otherwise than as a message.

        Raises:
            UnknownVerb, VerbMissing, QueryThatWrites: it is no question that we answer.
            Invalid, NotFound: as for the same request over HTTP.
        """
        verb, rest = self._verb(payload)
        if verb in _WRITING:
            raise QueryThatWrites(verb)
        if verb in self._facts or verb == "ping":
            wish = self._ask_about_us(verb, rest)
        elif verb == "digest":
            wish = self._ask_digest(rest, None)
        else:
            wish = self._ask_records(self._collections.get(verb), rest)
        return await wish.ask()

    def _verb(self, payload: Mapping[str, JsonValue]) -> tuple[str, dict[str, JsonValue]]:
        for member in VERB_MEMBERS:
            said = payload.get(member)
            if isinstance(said, str) and said.strip():
                word = said.strip().lower().removeprefix("/").removeprefix("get_").replace("_", "-")
                verb = SYNONYMS.get(word, word)
                if verb not in self.verbs:
                    raise UnknownVerb(said, self.verbs)
                return verb, {name: value for name, value in payload.items() if name != member}
        raise VerbMissing(self.verbs)

    def _ask_about_us(self, verb: str, rest: Mapping[str, JsonValue]) -> Asks:
        # peers send along what they like ("data", "route_back"); it changes nothing here
        del rest
        facts = self._facts.get(verb, _pong)

        async def ask() -> Mapping[str, object]:
            return {"data": await facts()}

        return Asks(ask)

    def _ask_digest(self, rest: Mapping[str, JsonValue], actor: Actor | None) -> Asks:
        """Count a day; with an actor, write its row as well."""
        _refuse_others(rest, ("date",))
        day = self._digest.today() if rest.get("date") is None else read_date(rest["date"])

        async def ask() -> Mapping[str, object]:
            if actor is not None:
                digest = await self._digest.write(day, actor)
                return {"data": {"summary": digest.summary}}
            return {"data": {"summary": await self._digest.count(day)}}

        return Asks(ask)

    # reading

    def _ask_records(self, table_name: str | None, rest: Mapping[str, JsonValue]) -> Asks:
        _refuse_others(rest, _QUESTION_MEMBERS)
        table = self._table(rest) if table_name is None else self._workspace.table(table_name)
        if rest.get("id") is not None:
            return self._ask_one(table, rest)
        limit = _whole(rest.get("limit", LARGEST_PAGE), "limit", most=LARGEST_PAGE)
        listing = read_listing(table, [*_parameters(rest), ("page_size", str(limit))], self._workspace.formula)
        query = listing.query

        async def ask() -> Mapping[str, object]:
            if listing.as_of:
                await self._workspace.reach(listing.as_of, within=AS_OF_PATIENCE)
            with naming_the_filter():
                page = await self._workspace.page(query)
            shown = [orjson.Fragment(blob) for blob in project(page.records, listing.fields)]
            data: dict[str, object] = {"records": shown}
            if page.next is not None:
                data["offset"] = write_offset(query, page.next)
            return {"data": data}

        return Asks(ask)

    def _ask_one(self, table: Table, rest: Mapping[str, JsonValue]) -> Asks:
        target = _text(rest["id"], "id")
        fields = rest.get("fields")
        wanted = None if fields is None else read_fields(table, _listed(fields, "fields"))

        async def ask() -> Mapping[str, object]:
            blob = await self._workspace.get(table, target)
            if blob is None:
                raise RecordNotFound(table.name, target)
            return {"data": {"record": orjson.Fragment(project([blob], wanted)[0])}}

        return Asks(ask)

    # writing

    def _change(self, verb: str, rest: Mapping[str, JsonValue]) -> Changes:
        table = self._table(rest)
        if table.name not in self._collections.values():
            raise InvalidMember("table", expected="one of " + ", ".join(self._collections))
        operations: tuple[Operation, ...]
        match verb:
            case "update":
                _refuse_others(rest, ("table", "id", "fields", "if_match"))
                fields = read_fields_of(rest.get("fields"))
                target, tag = _text(rest.get("id"), "id"), _tag(rest)
                operations = (Update(table, target, fields, tag),)
            case "delete":
                _refuse_others(rest, ("table", "id", "if_match"))
                operations = (Delete(table, _text(rest.get("id"), "id"), _tag(rest)),)
            case _:
                _refuse_others(rest, ("table", "fields", "record", "records"))
                given = next((rest[name] for name in ("records", "record", "fields") if name in rest), None)
                sent = read_records(given)
                operations = creations(table, sent) if verb == "create" else upserts(table, sent)
        deleting = verb == "delete"
        return Changes(operations, lambda done: {"data": _written(done, deleting=deleting)})

    def _table(self, rest: Mapping[str, JsonValue]) -> Table:
        name = _text(rest.get("table"), "table")
        word = name.strip().lower().removeprefix("/").replace("_", "-")
        return self._workspace.table(self._collections.get(SYNONYMS.get(word, word), name))


def _written(done: Done, *, deleting: bool) -> Mapping[str, object]:
    """Show the records that were written; of more than an answer shows, their ids only.

    The note of the message itself is among what was done, and is no record.
    """
    records = [(each.table, each.record) for each in done.written if each.table is not None and each.record is not None]
    shown: list[object]
    if deleting:
        shown = [{"id": record.id, "deleted": True} for _, record in records]
    elif len(records) > LARGEST_PAGE:
        shown = [{"id": record.id} for _, record in records]
    else:
        shown = [orjson.Fragment(table.encode(record)) for table, record in records]
    warnings = list(dict.fromkeys(warning for each in done.written for warning in each.warnings))
    data: dict[str, object] = {"records": shown, "position": done.seq}
    return {**data, "warnings": warnings} if warnings else data


async def _pong() -> Mapping[str, object]:
    return {"pong": True}


def _parameters(rest: Mapping[str, JsonValue]) -> list[tuple[str, str]]:
    """Put a question into the parameters that a list takes over HTTP."""
    given = {name: value for name, value in rest.items() if value is not None}
    parameters: list[tuple[str, str]] = [
        (name, _listed(given[name], name)) for name in ("sort", "fields") if name in given
    ]
    parameters += [(name, _text(given[name], name)) for name in ("offset", "q", "updated_since") if name in given]
    if rest.get("as_of") is not None:
        parameters.append(("as_of", str(_whole(rest["as_of"], "as_of", most=2**62, least=0))))
    wanted = rest.get("filter")
    if isinstance(wanted, Mapping):
        parameters += [(name, _equal(value, name)) for name, value in wanted.items()]
    elif wanted is not None:
        parameters.append(("filter", _text(wanted, "filter")))
    return parameters


def _equal(value: JsonValue, name: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, str | int | float):
        return "" if value is None else str(value)
    raise InvalidMember(f"filter.{name}"[:80], expected="a text, a number, true, false or null")


def _listed(value: JsonValue, name: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence) and value and all(isinstance(item, str) for item in value):
        return ",".join(map(str, value))
    raise InvalidMember(name, expected="a text with commas, or a list of texts")


def _text(value: JsonValue, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidMember(name, expected=f"a text that is not empty (it is {describe(value)})")
    return value


def _whole(value: JsonValue, name: str, *, most: int, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise InvalidMember(name, expected=f"a whole number from {least} to {most}")
    return read_count(name, str(value), least=least, most=most)


def _tag(rest: Mapping[str, JsonValue]) -> str | None:
    return None if rest.get("if_match") is None else _text(rest["if_match"], "if_match")


def _refuse_others(rest: Mapping[str, JsonValue], known: Sequence[str]) -> None:
    for name in rest:
        if name not in known:
            raise UnknownParameter(name, known)
