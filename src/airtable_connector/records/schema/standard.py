"""The five tables that the mesh relies on, under the names its droplets use."""

from collections.abc import Mapping
from typing import Any

from airtable_connector.kernel.ids import FieldId, TableId
from airtable_connector.records.schema.fields import Field, FieldType, stable_id
from airtable_connector.records.schema.tables import Table


def _field(table: str, name: str, kind: FieldType, options: Mapping[str, Any] | None = None) -> Field:
    return Field(FieldId(stable_id("fld", table, name)), name, kind, options or {})


def _text(table: str, name: str) -> Field:
    return _field(table, name, FieldType.SINGLE_LINE_TEXT)


def _number(table: str, name: str, precision: int = 0) -> Field:
    return _field(table, name, FieldType.NUMBER, {"precision": precision})


def _select(table: str, name: str, *choices: str) -> Field:
    named = [{"id": stable_id("sel", table, name, choice), "name": choice} for choice in choices]
    return _field(table, name, FieldType.SINGLE_SELECT, {"choices": named})


def _table(name: str, key: str | None, *fields: Field) -> Table:
    key_id = next((field.id for field in fields if field.name == key), None)
    return Table(TableId(stable_id("tbl", name)), name, fields, key_id)


SPRINTS = _table(
    "Sprints",
    "Sprint_ID",
    _text("Sprints", "Sprint_ID"),
    _text("Sprints", "Name"),
    _text("Sprints", "Dev_Name"),
    _select("Sprints", "Status", "Pending", "Active", "Done"),
    _field("Sprints", "Proof_URL", FieldType.URL),
    _number("Sprints", "Time_Spent_hr", 2),
    _field("Sprints", "Notes", FieldType.MULTILINE_TEXT),
)
CELLS = _table(
    "Cells",
    "Cell_ID",
    _text("Cells", "Cell_ID"),
    _select("Cells", "Role", "Builder", "Verifier", "Connector"),
    _text("Cells", "IP_Address"),
    _select("Cells", "Health_Status", "OK", "Warning", "Offline"),
    _number("Cells", "Cost_per_hr", 4),
)
PROOF = _table(
    "Proof",
    "Proof_ID",
    _text("Proof", "Proof_ID"),
    _text("Proof", "Sprint_ID"),
    _field("Proof", "Result", FieldType.MULTILINE_TEXT),
    _text("Proof", "Token"),
    _field("Proof", "Timestamp", FieldType.DATE_TIME, {"timeZone": "utc"}),
)
HEARTBEATS = _table(
    "Heartbeats",
    None,
    _text("Heartbeats", "Cell_ID"),
    _number("Heartbeats", "CPU_Usage", 1),
    _number("Heartbeats", "RAM_Usage", 1),
    _text("Heartbeats", "Status"),
    _field("Heartbeats", "Timestamp", FieldType.CREATED_TIME),
)
DAILY_DIGEST = _table(
    "Daily_Digest",
    "Date",
    _field("Daily_Digest", "Date", FieldType.DATE),
    _number("Daily_Digest", "Total_Droplets"),
    _number("Daily_Digest", "Active_Droplets"),
    _number("Daily_Digest", "Uptime_Percentage", 2),
    _number("Daily_Digest", "Offline_Cells"),
    _number("Daily_Digest", "New_Sprints_Today"),
    _number("Daily_Digest", "Total_Sprints"),
    _number("Daily_Digest", "Completed_Sprints"),
    _number("Daily_Digest", "Active_Sprints"),
    _number("Daily_Digest", "Pending_Sprints"),
    _number("Daily_Digest", "In_Progress_Sprints"),
    _number("Daily_Digest", "Total_Proofs"),
    _number("Daily_Digest", "Verified_Proofs"),
    _number("Daily_Digest", "Failed_Proofs"),
    _number("Daily_Digest", "Pending_Proofs"),
    _number("Daily_Digest", "Average_CPU", 1),
    _number("Daily_Digest", "Average_RAM", 1),
    _text("Daily_Digest", "Last_Ping_Time"),
    _text("Daily_Digest", "Warnings"),
    _field("Daily_Digest", "Daily_Summary", FieldType.MULTILINE_TEXT),
    _field("Daily_Digest", "Timestamp", FieldType.DATE_TIME, {"timeZone": "utc"}),
)
STANDARD_TABLES: tuple[Table, ...] = (SPRINTS, CELLS, PROOF, HEARTBEATS, DAILY_DIGEST)
"""The tables of a new embedded base (design of the mesh; the names are the ones that other droplets send)."""
