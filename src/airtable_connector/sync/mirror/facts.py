"""What the mirror reports of itself."""

from dataclasses import dataclass

from airtable_connector.kernel.observer import Fact


@dataclass(frozen=True)
class PageListed(Fact):
    """A page of a table was copied; ``listed`` records of it are here by now, ``changed`` of them since this page."""

    table: str
    listed: int
    changed: int


@dataclass(frozen=True)
class TableWhole(Fact):
    """A table was listed to its end."""

    table: str


@dataclass(frozen=True)
class PayloadsPulled(Fact):
    """Payloads were read, and what they touched."""

    payloads: int
    touched: int


@dataclass(frozen=True)
class HookReplaced(Fact):
    """There is another webhook, because of ``why``; ``relisted`` says whether every table is listed anew."""

    hook: str
    why: str
    relisted: bool


@dataclass(frozen=True)
class HookBroken(Fact):
    """The webhook tells nothing any more, or not all: ``why``."""

    hook: str
    why: str


@dataclass(frozen=True)
class SchemaMoved(Fact):
    """Airtable's schema is another one than before: what became of a table, or of what is ``name`` in it."""

    event: str
    table: str
    name: str


@dataclass(frozen=True)
class FieldsLeftOut(Fact):
    """A table has fields that cannot be kept here; with none named, the table itself is not understood."""

    table: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Drifted(Fact):
    """A comparison found what no payload had told: rows that differed, were missing or too many; it is repaired."""

    table: str
    rows: int
    cells: int


@dataclass(frozen=True)
class NoRoomForHook(Fact):
    """The base has as many webhooks as it may have: nothing that happens there is told."""
