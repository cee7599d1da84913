"""What can be wrong with what a task or a command asks for."""

from collections.abc import Sequence
from datetime import timedelta

from airtable_connector.kernel.errors import Conflict, Invalid, Unavailable


class TaskNotUnderstood(Invalid):
    """A task's payload asks for what its type does not offer."""

    code = "task-not-understood"

    def __init__(self, member: str, *, expected: str) -> None:
        super().__init__(f"the task's {member} cannot be used", field=member, hint=f"expected {expected}")


class AirtableNotNamed(Invalid):
    """A command is about a base at Airtable, and the settings name none."""

    code = "airtable-not-named"

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(
            f"no base at Airtable is named: {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set",
            hint="set AIRTABLE_API_KEY and BASE_ID in the environment or in .env",
            facts={"missing": list(missing)},
        )


class BaseNotMirrored(Conflict):
    """The store has a base of its own, and is to be the mirror of another one."""

    code = "base-not-mirrored"

    def __init__(self, tables: Sequence[str]) -> None:
        super().__init__(
            f"the store holds a base of its own ({', '.join(sorted(tables)[:5])}) and cannot be a mirror as well",
            hint="'adopt --to-airtable' makes it the mirror; or name another DATA_DIR or DATABASE_URL for that, or"
            " unset AIRTABLE_API_KEY to serve this base",
        )


class ServiceRuns(Conflict):
    """The base is to become another kind of base, and a service is at work on it."""

    code = "service-runs"

    def __init__(self) -> None:
        super().__init__(
            "a running service follows Airtable with this store; nothing was changed",
            hint="stop it, and run the command again",
        )


class BaseNotPrepared(Conflict):
    """The base at Airtable cannot take the records of the store: tables, fields or choices are missing there."""

    code = "base-not-prepared"

    def __init__(self, lacking: Sequence[str]) -> None:
        super().__init__(
            f"the base at Airtable lacks what the records need: {'; '.join(lacking[:5])}; nothing was changed",
            hint="run 'schema show > base.json' and 'schema apply --file base.json', and do what it tells people to do",
            facts={"lacking": len(lacking)},
        )


class RecordsAtAirtable(Conflict):
    """Tables at Airtable that are to take the store's records have records already."""

    code = "records-at-airtable"

    def __init__(self, tables: Sequence[str]) -> None:
        super().__init__(
            f"there are records already in {', '.join(tables[:5])} at Airtable; nothing was changed",
            hint="with --beside-others the records of this store are added to them",
        )


class WritesOnTheirWay(Conflict):
    """The base is to be no mirror any more, and Airtable has not taken everything that was written here."""

    code = "writes-on-their-way"

    def __init__(self, waiting: int, dead: int) -> None:
        super().__init__(
            f"{waiting} writes are on their way to Airtable and {dead} were refused there; nothing was changed",
            hint="have 'serve' send them, and replay or drop dead letters; or, with --drop-unsent, let Airtable go"
            " without them: here they stay",
            facts={"waiting": waiting, "dead_letters": dead},
        )


class AdoptedBefore(Conflict):
    """The store's tables came from the base at Airtable to which they are to go."""

    code = "adopted-before"

    def __init__(self) -> None:
        super().__init__(
            "this base was a mirror of the one at Airtable, which has its tables still; nothing was changed",
            hint="name another DATA_DIR or DATABASE_URL for a new mirror, or another BASE_ID for the records",
        )


class SyncNotDone(Unavailable):
    """What happened at Airtable is not all here yet: a first copy is under way, or Airtable does not answer."""

    code = "sync-not-done"

    def __init__(self, *, retry_after: timedelta) -> None:
        super().__init__(
            "not everything that happened at Airtable is here yet",
            retry_after=retry_after,
            hint="'sync status' tells what is under way; it goes on by itself",
        )


class LeaseLost(Unavailable):
    """A command had to end, because another process may be asking Airtable by now."""

    code = "lease-lost"

    def __init__(self) -> None:
        super().__init__(
            "the right to ask Airtable could not be kept, because the store did not answer in time",
            retry_after=timedelta(seconds=15),
            hint="run the command again; what was done is kept",
        )


class BaseIsMirror(Conflict):
    """The store has a mirror of a base at Airtable, and no key for that is set."""

    code = "base-is-mirror"

    def __init__(self) -> None:
        super().__init__(
            "the store holds the mirror of a base at Airtable, and AIRTABLE_API_KEY is not set",
            hint="set AIRTABLE_API_KEY and BASE_ID, or name another DATA_DIR or DATABASE_URL for a base of its own",
        )
