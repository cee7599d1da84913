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
            hint="name another DATA_DIR or DATABASE_URL for the mirror, or unset AIRTABLE_API_KEY to serve this base",
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
