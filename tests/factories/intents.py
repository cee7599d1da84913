"""Intents for tests."""

import itertools
from datetime import UTC, datetime
from typing import Any

from airtable_connector.kernel.ids import FieldId, RecordId, TableId
from airtable_connector.records import Cell
from airtable_connector.sync.outbox.intents import Intent, Kind, numbered

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
NAME, AGE = FieldId("fldName"), FieldId("fldAge")
TABLE, OTHER_TABLE = TableId("tblA"), TableId("tblB")

SEQS = itertools.count(1)


def rec(name: str) -> RecordId:
    return RecordId("rec" + name.rjust(14, "0"))


def intent(
    record: str,
    kind: Kind = Kind.UPDATE,
    cells: dict[FieldId, Cell | None] | None = None,
    **more: Any,
) -> Intent:
    given: dict[str, Any] = {
        "number": numbered(next(SEQS)),
        "table": TABLE,
        "record": rec(record),
        "target": rec(record),
        "kind": kind,
        "cells": {NAME: record} if cells is None and kind is not Kind.DELETE else cells or {},
        "before": {},
        "actor": 5,
        "cause": "a-trace",
        "at": NOON,
    }
    return Intent(**{**given, **more})
