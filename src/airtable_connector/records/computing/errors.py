"""What can be wrong with a computed field's definition."""

from collections.abc import Sequence

from airtable_connector.kernel.errors import Invalid


class CircularFields(Invalid):
    """A computed field depends on itself, over other fields or at once; `path` names the fields of the circle."""

    code = "circular-fields"

    def __init__(self, path: Sequence[str]) -> None:
        super().__init__(
            f"computed fields depend on each other in a circle: {' → '.join(path)}",
            field=path[0],
            hint="leave one of these fields out of the next one's definition",
            facts={"path": list(path)},
        )
        self.path = tuple(path)
