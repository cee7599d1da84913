"""Making what a base lacks, one step after the other, with a look at the base between two steps."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol, TypeAlias

from airtable_connector.airtable import (
    DENIED,
    CloudField,
    CloudTable,
    CloudUnavailable,
    Definition,
    Done,
    Lane,
    NotDone,
    Outcome,
    Refused,
    Unknown,
    value_of,
)
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import FieldId, TableId
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.sync.base_schema.comparison import (
    NewChoices,
    NewField,
    NewTable,
    Plan,
    Step,
    compare,
    is_ready,
)
from airtable_connector.sync.base_schema.creatable import body_of
from airtable_connector.sync.base_schema.definitions import BaseSchema, FieldDefinition, TableDefinition, read_schema
from airtable_connector.sync.base_schema.errors import MalformedDefinition

LANE: Final = Lane.WAITING_CALLER

ATTEMPTS: Final = 3
"""How often something is tried at most."""

PAUSE: Final = timedelta(seconds=1)
"""Before another try, if Airtable did not say how long."""

LONGEST_PAUSE: Final = timedelta(minutes=1)
"""A longer one is not waited for: whoever has typed the command can type it again."""


class SchemaClient(Protocol):
    """Asks Airtable for the base's schema, and changes it."""

    async def schema(self, *, lane: Lane) -> Outcome[Sequence[CloudTable]]:
        """Read the definitions of the base's tables."""
        ...

    async def create_table(self, definition: Definition, *, lane: Lane) -> Outcome[CloudTable]:
        """Make a table with its fields."""
        ...

    async def create_field(self, table: TableId, definition: Definition, *, lane: Lane) -> Outcome[CloudField]:
        """Make a field of a table."""
        ...

    async def update_field(
        self, table: TableId, field: FieldId, change: Definition, *, lane: Lane
    ) -> Outcome[CloudField]:
        """Change a field's options."""
        ...


@dataclass(frozen=True)
class SchemaChanged(Fact):
    """A step was carried out at Airtable."""

    step: Step


@dataclass(frozen=True)
class Refusal:
    """Airtable's own words for why a step cannot be carried out; they may quote names of the base."""

    step: Step
    type: str
    message: str = field(repr=False)


@dataclass(frozen=True)
class Applied:
    """What was made, what Airtable refused to make, and what the base lacks after that."""

    made: Sequence[Step]
    refused: Sequence[Refusal]
    left: Plan


_Answer: TypeAlias = Outcome[CloudTable] | Outcome[CloudField]


@dataclass
class _Work:
    """What one `CloudSchema.apply` has done; it alone owns it."""

    made: dict[str, Step] = field(default_factory=dict)
    refused: dict[str, Refusal] = field(default_factory=dict)
    tries: Counter[str] = field(default_factory=Counter)
    sent: set[str] = field(default_factory=set)
    """Steps that we may have carried out; somebody else can make the same meanwhile."""
    tried: tuple[Step, _Answer] | None = None


class CloudSchema:
    """The schema of the base at Airtable."""

    def __init__(self, client: SchemaClient, *, clock: Clock, observer: Observer) -> None:
        self._client = client
        self._clock = clock
        self._observer = observer

    async def definitions(self) -> Sequence[CloudTable]:
        """Read the tables as Airtable describes them.

        Raises:
            CloudDenied, CloudRefused, CloudUnavailable: it does not tell, nor when it is asked again.
        """
        for _ in range(1, ATTEMPTS):
            outcome = await self._client.schema(lane=LANE)
            if not isinstance(outcome, NotDone):
                return value_of(outcome)
            await self._rest(outcome)
        return value_of(await self._client.schema(lane=LANE))

    async def read(self) -> BaseSchema:
        """Read the tables by their names; raises as `definitions` does."""
        told = await self.definitions()
        try:
            return read_schema([table.definition for table in told])
        except MalformedDefinition as malformed:
            raise CloudUnavailable(f"its schema is malformed: {malformed}", retry_after=LONGEST_PAUSE) from malformed

    async def apply(self, wanted: BaseSchema) -> Applied:
        """Make what the base lacks of what is wanted, as far as Airtable's API makes it.

        The base is looked at after each step, whatever is known of its outcome: a step that took effect although its
        answer was lost is not repeated. One that is still at work there when we look, and is then repeated, is refused
        by Airtable, because the name is taken. Interrupted, it goes on where it was when it is called again.

        Raises:
            CloudDenied: our key may not change the schema.
            CloudUnavailable, CloudOutcomeUnknown: a step does not succeed, nor when it is repeated.
        """
        work = _Work()
        while True:
            present = await self.read()
            plan = compare(wanted, present)
            self._note_effect(work, plan)
            ready = (each for each in plan.steps if each.name not in work.refused and is_ready(each, present))
            step = next(ready, None)
            if step is None:
                refused = [work.refused[each.name] for each in plan.steps if each.name in work.refused]
                return Applied(list(work.made.values()), refused, plan)
            await self._try(step, present, work)

    def _note_effect(self, work: _Work, plan: Plan) -> None:
        if work.tried is None:
            return
        step, _ = work.tried
        if step.name in work.sent and step.name not in {each.name for each in plan.steps}:
            work.made[step.name] = step
            self._observer.saw(SchemaChanged(step))

    async def _try(self, step: Step, present: BaseSchema, work: _Work) -> None:
        if work.tries[step.name] == ATTEMPTS:
            self._give_up(step, work)
            return
        work.tries[step.name] += 1
        outcome = await self._make(step, present)
        work.tried = (step, outcome)
        if isinstance(outcome, Done | Unknown):
            work.sent.add(step.name)
        match outcome:
            case Done():
                pass
            case Refused(status, kind, message) if status not in DENIED:
                work.refused[step.name] = Refusal(step, kind, message)
            case Refused():
                value_of(outcome)  # about our key: what follows would be refused as well
            case NotDone() | Unknown():
                await self._rest(outcome)

    @staticmethod
    def _give_up(step: Step, work: _Work) -> None:
        match work.tried:
            case (_, (NotDone() | Unknown()) as outcome):
                value_of(outcome)
        work.refused[step.name] = Refusal(step, "NO_EFFECT", "Airtable says that it was done, and does not show it")

    async def _make(self, step: Step, present: BaseSchema) -> _Answer:
        match step:
            case NewTable(table, fields, description):
                body: dict[str, JsonValue] = {"name": table, "fields": [body_of(each) for each in fields]}
                if description:
                    body["description"] = description
                return await self._client.create_table(body, lane=LANE)
            case NewField(table, new):
                linked = None if new.linked is None else _id_of(present.table(new.linked.table))
                holder = TableId(_id_of(present.table(table)))
                return await self._client.create_field(holder, body_of(new, linked_id=linked), lane=LANE)
            case NewChoices(table, name, choices):
                found = present.table(table)
                select = None if found is None else found.field(name)
                change = {"options": {"choices": [*_held_choices(select), *({"name": each} for each in choices)]}}
                return await self._client.update_field(
                    TableId(_id_of(found)), FieldId(_id_of(select)), change, lane=LANE
                )

    async def _rest(self, outcome: NotDone | Unknown) -> None:
        pause = outcome.pause if isinstance(outcome, NotDone) and outcome.pause is not None else PAUSE
        if pause > LONGEST_PAUSE:
            raise CloudUnavailable("it asked to be left alone for a while", retry_after=pause)
        await self._clock.sleep(pause)


def _id_of(found: TableDefinition | FieldDefinition | None) -> str:
    if found is None or found.id is None:
        raise CloudUnavailable("its schema is malformed: something in it has no id", retry_after=LONGEST_PAUSE)
    return found.id


def _held_choices(select: FieldDefinition | None) -> list[JsonValue]:
    """Return the choices that are there, by their ids: one that is not sent again would go, and empty its cells."""
    held = () if select is None else select.options["choices"]
    return [{member: choice[member] for member in ("id", "name", "color") if choice.get(member)} for choice in held]
