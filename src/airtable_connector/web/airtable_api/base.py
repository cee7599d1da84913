"""Bases under Airtable's names: their ids, their tables by any name that Airtable takes, their views."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from airtable_connector.kernel.ids import BaseId
from airtable_connector.records import AttachmentAddresses, Field, Table, Workspace, stable_id
from airtable_connector.web.airtable_api.errors import ModelNotFound, ViewMissing, ViewOfOtherTable
from airtable_connector.web.airtable_api.place import DERIVED_ID
from airtable_connector.web.airtable_api.scopes import check_scope, was_granted
from airtable_connector.web.http import Call, Caller

VIEW_NAME: Final = "Grid view"
"""The one view of every table: all of its records in the order of creation, all of its fields."""


@dataclass(frozen=True)
class BaseName:
    """Under which name the service's own base is shown, and the id it was given, if any."""

    name: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class ShownBase:
    """A base as clients see it in a list."""

    id: str
    name: str


class Base:
    """One base: nothing of another one is found through it. ``made`` is its id, and None for the service's own."""

    __slots__ = ("attachments", "made", "workspace")

    def __init__(self, workspace: Workspace, attachments: AttachmentAddresses, made: BaseId | None) -> None:
        self.workspace = workspace
        self.attachments = attachments
        self.made = made

    @property
    def tables(self) -> Mapping[str, Table]:
        """The base's tables by name."""
        return self.workspace.tables_of(self.made)

    def table(self, name_or_id: str) -> Table:
        """Find a table: by name, by id, by name in other letters.

        Raises:
            ModelNotFound: the base has no such table.
        """
        found = self.workspace.table_of(self.made, name_or_id)
        if found is not None:
            return found
        folded = name_or_id.casefold()
        for name, table in self.tables.items():
            if name.casefold() == folded:
                return table
        raise ModelNotFound

    async def locate(self, record: str) -> tuple[Table, bytes] | None:
        """Return a record as JSON by its id, whichever table of the base holds it, and that table."""
        return await self.workspace.locate(record, self.made)

    def check_view(self, table: Table, name_or_id: str) -> None:
        """Make sure that the table has this view; it shows what the table shows.

        Raises:
            ViewMissing: there is none.
            ViewOfOtherTable: another table of the base has it.
        """
        if name_or_id in {VIEW_NAME, view_id(table)}:
            return
        if any(name_or_id == view_id(other) for other in self.tables.values()):
            raise ViewOfOtherTable
        raise ViewMissing(name_or_id, by_id=name_or_id.startswith("viw") and len(name_or_id) == 17)


class Bases:
    """The bases of this service: its own, and those that clients made.

    Should a made base have the id that the operator gave the own one, the own one is meant.
    """

    def __init__(self, workspace: Workspace, name: BaseName, attachments: AttachmentAddresses) -> None:
        self.workspace = workspace
        self.attachments = attachments
        self.own = ShownBase(name.id or DERIVED_ID, name.name)
        self._own = Base(workspace, attachments, None)

    def of(self, table: Table) -> Base:
        """Return the base that a table is in."""
        return self._own if table.base is None else Base(self.workspace, self.attachments, table.base)

    def enter(self, call: Call) -> Base:
        """Return the base that the address names; make sure that the caller may do there what the route is for.

        An endpoint asks before it touches anything of the base, but after it has read the request: Airtable judges
        parameters and bodies before it tells what is not permitted.

        Raises:
            ModelNotFound: there is no such base, or the caller was not granted it.
            MissingPermission: the caller has not the scope that the route needs.
        """
        asked = call.path_params["base"]
        if asked == self.own.id:
            base = self._own
        elif self.is_made(asked):
            base = Base(self.workspace, self.attachments, BaseId(asked))
        else:
            raise ModelNotFound
        if not was_granted(call.caller, asked):
            raise ModelNotFound
        check_scope(call)
        return base

    def table(self, call: Call) -> Table:
        """Enter the base, and find the table that the address names.

        Raises:
            ModelNotFound: there is no such base, it is not granted, or it has no such table.
            MissingPermission: the caller has not the scope that the route needs.
        """
        return self.enter(call).table(call.path_params["table"])

    def is_made(self, base: str) -> bool:
        """Tell whether a client made a base of this id."""
        return bool(self.workspace.tables_of(BaseId(base)))

    async def granted(self, caller: Caller) -> list[ShownBase]:
        """Return the bases that a caller may enter: the own one, then the others in the order of their making."""
        made = [ShownBase(base.id, base.name) for base in await self.workspace.bases()]
        return [base for base in (self.own, *made) if was_granted(caller, base.id)]


def view_id(table: Table) -> str:
    """Return the id of a table's view."""
    return stable_id("viw", table.id)


def visible_fields(table: Table) -> tuple[Field, ...]:
    """Return the fields that the table's view shows, in its order."""
    return table.fields
