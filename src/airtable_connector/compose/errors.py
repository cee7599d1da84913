"""What can be wrong with what a task asks for."""

from airtable_connector.kernel.errors import Invalid


class TaskNotUnderstood(Invalid):
    """A task's payload asks for what its type does not offer."""

    code = "task-not-understood"

    def __init__(self, member: str, *, expected: str) -> None:
        super().__init__(f"the task's {member} cannot be used", field=member, hint=f"expected {expected}")
