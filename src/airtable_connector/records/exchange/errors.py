"""What can be wrong with a file that is to be imported."""

from airtable_connector.kernel.errors import Invalid


class MalformedFile(Invalid):
    """A file cannot be read on, so no later row of it was taken."""

    code = "malformed-import-file"

    def __init__(self, line: int, what: str, *, hint: str) -> None:
        super().__init__(f"line {line}: {what}", hint=hint)
        self.line = line


class MalformedRow(Invalid):
    """One row of a file is not a record; the rows after it can be read."""

    code = "malformed-row"

    def __init__(self, what: str, *, hint: str, field: str | None = None) -> None:
        super().__init__(what, hint=hint, field=field)


class TooManyRefused(Invalid):
    """So many rows were refused that the file is probably not meant for this base."""

    code = "too-many-rows-refused"

    def __init__(self, refused: int) -> None:
        super().__init__(
            f"{refused} rows were refused, so the import was stopped",
            hint="look at the first refusals: is it the right file, table and format?",
        )
