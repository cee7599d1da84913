"""What can be wrong with what a task or a command asks for."""

from collections.abc import Sequence

from airtable_connector.kernel.errors import Invalid


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
