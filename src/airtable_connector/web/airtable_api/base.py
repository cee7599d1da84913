"""The base under Airtable's names: its id, its tables by any name that Airtable takes, its views."""

from dataclasses import dataclass
from typing import Final

from airtable_connector.records import AttachmentAddresses, Field, Table, UnknownTable, Workspace, stable_id
from airtable_connector.web.airtable_api.errors import ModelNotFound, ViewMissing, ViewOfOtherTable
from airtable_connector.web.airtable_api.place import DERIVED_ID
from airtable_connector.web.airtable_api.scopes import check_scope, was_granted
from airtable_connector.web.http import Call

VIEW_NAME: Final = "Grid view"
"""The one view of every table: all of its records in the order of creation, all of its fields."""


@dataclass(frozen=True)
class BaseName:
    """Under which name the base is shown, and the id it was given, if any."""

    name: str
    id: str | None = None


class Base:
    """The one base of this service."""

    def __init__(self, workspace: Workspace, name: BaseName, attachments: AttachmentAddresses) -> None:
        self.workspace = workspace
        self.attachments = attachments
        self.id = name.id or DERIVED_ID
        self.name = name.name

    def enter(self, call: Call) -> None:
        """Make sure that the address names this base, and that the caller may do there what the route is for.

        An endpoint asks before it touches anything of the base, but after it has read the request: Airtable judges
        parameters and bodies before it tells what is not permitted.

        Raises:
            ModelNotFound: it names another base, or the caller was not granted this one.
            MissingPermission: the caller has not the scope that the route needs.
        """
        if call.path_params["base"] != self.id or not was_granted(call.caller, self.id):
            raise ModelNotFound
        check_scope(call)

    def table(self, call: Call) -> Table:
        """Enter the base, and find the table that the address names: by id, by name, by name in other letters.

        Raises:
            ModelNotFound: the base is another one, or not granted, or it has no such table.
            MissingPermission: the caller has not the scope that the route needs.
        """
        self.enter(call)
        name_or_id = call.path_params["table"]
        try:
            return self.workspace.table(name_or_id)
        except UnknownTable:
            folded = name_or_id.casefold()
            for name, table in self.workspace.tables.items():
                if name.casefold() == folded:
                    return table
            raise ModelNotFound from None

    def check_view(self, table: Table, name_or_id: str) -> None:
        """Make sure that the table has this view; it shows what the table shows.

        Raises:
            ViewMissing: there is none.
            ViewOfOtherTable: another table has it.
        """
        if name_or_id in {VIEW_NAME, view_id(table)}:
            return
        if any(name_or_id == view_id(other) for other in self.workspace.tables.values()):
            raise ViewOfOtherTable
        raise ViewMissing(name_or_id, by_id=name_or_id.startswith("viw") and len(name_or_id) == 17)


def view_id(table: Table) -> str:
    """Return the id of a table's view."""
    return stable_id("viw", table.id)


def visible_fields(table: Table) -> tuple[Field, ...]:
    """Return the fields that the table's view shows, in its order."""
    return table.fields
