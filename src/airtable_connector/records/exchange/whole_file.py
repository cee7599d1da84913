"""A file that appears whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from airtable_connector.kernel.errors import Conflict


class FileNotWritten(Conflict):
    """The operating system refused to write the file; what had that name before is unchanged."""

    code = "file-not-written"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the file could not be written: {reason}", hint="check the folder, its permissions and the free space"
        )


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file that takes its name only when it is complete and on the disk. Blocks.

    It is readable by its owner only. When the body raises, nothing is left behind and a file of that name stays.

    Raises:
        FileNotWritten: the file could not be made, filled or named.
    """
    try:
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # readable by its owner only
        draft = Path(name)
        try:
            with os.fdopen(number, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        _make_durable(path.parent)
    except OSError as cause:
        raise FileNotWritten(cause.strerror or type(cause).__name__) from cause


def _make_durable(folder: Path) -> None:
    """Put the folder, which holds the new name, on the disk as well."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
