"""Moving records between a base and files: export and import as JSON Lines or CSV.

JSON Lines holds any number of tables: a header line with their definitions, then a line for each record,
``{"table", "id", "createdTime", "fields"}``. CSV holds one table: the columns ``id`` and ``createdTime``, then one for
each field; lists are JSON texts. Neither holds the history; `records.backup` does.
"""

from airtable_connector.records.exchange.definitions import complete_definition
from airtable_connector.records.exchange.errors import MalformedFile, MalformedRow, TooManyRefused
from airtable_connector.records.exchange.exporting import Exported, OneTableOnly, export_records
from airtable_connector.records.exchange.form import Form
from airtable_connector.records.exchange.importing import Import, ImportReport
from airtable_connector.records.exchange.options import LARGEST_BATCH, ImportOptions, OnBad, OnKey, RowIds
from airtable_connector.records.exchange.rows import preamble
from airtable_connector.records.exchange.tally import Refusal, Tally
from airtable_connector.records.exchange.whole_file import FileNotWritten, whole_file

__all__ = [
    "LARGEST_BATCH",
    "Exported",
    "FileNotWritten",
    "Form",
    "Import",
    "ImportOptions",
    "ImportReport",
    "MalformedFile",
    "MalformedRow",
    "OnBad",
    "OnKey",
    "OneTableOnly",
    "Refusal",
    "RowIds",
    "Tally",
    "TooManyRefused",
    "complete_definition",
    "export_records",
    "preamble",
    "whole_file",
]
