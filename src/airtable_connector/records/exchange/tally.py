"""What became of the rows of an import."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Self

import orjson

from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.records.requests import Effected, Written


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was not taken: where it is in the file, and why."""

    line: int
    code: str
    message: str
    field: str | None
    hint: str | None

    @classmethod
    def of(cls, line: int, error: ConnectorError) -> Self:
        """Describe why the row that begins at ``line`` was refused."""
        return cls(line, error.code, error.message, error.field, error.hint)


@dataclass(slots=True)
class Tally:
    """Counts of rows. ``present`` were there already, ``left_out`` belong to tables that were not asked for."""

    created: int = 0
    updated: int = 0
    present: int = 0
    left_out: int = 0
    refused: list[Refusal] = field(default_factory=list)

    @property
    def written(self) -> int:
        """Rows that the base shows now, whoever wrote them."""
        return self.created + self.updated + self.present

    def count(self, written: Iterable[Written]) -> None:
        """Count what a write did."""
        for one in written:
            match one.effect:
                case Effected.CREATED:
                    self.created += 1
                case Effected.UPDATED:
                    self.updated += 1
                case _:
                    self.present += 1

    def add(self, other: "Tally") -> None:
        """Count what another tally counted."""
        self.created += other.created
        self.updated += other.updated
        self.present += other.present
        self.left_out += other.left_out
        self.refused += other.refused

    def to_json(self) -> bytes:
        """Write the tally of one batch as JSON."""
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read what `to_json` wrote."""
        counts = orjson.loads(text)
        refused = [Refusal(**one) for one in counts.pop("refused")]
        return cls(**counts, refused=refused)
