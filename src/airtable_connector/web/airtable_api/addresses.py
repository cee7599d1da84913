"""Which address a request names: the route's template and the values of its placeholders.

Airtable decides about the address before it asks who calls; what has not the shape of an id is no address at all.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from airtable_connector.kernel.ids import looks_like_base_id, looks_like_record_id
from airtable_connector.web.airtable_api.errors import AddressUnknown
from airtable_connector.web.http import AddressTooLong, Call

LONGEST_ADDRESS: Final = 15_999
"""Characters of path and query, as Airtable documents it; longer questions go to ``listRecords``."""

WHOAMI: Final = "/v0/meta/whoami"
BASES: Final = "/v0/meta/bases"
BASE: Final = "/v0/meta/bases/{base}"
TABLES: Final = "/v0/meta/bases/{base}/tables"
TABLE_SCHEMA: Final = "/v0/meta/bases/{base}/tables/{table}"
FIELDS: Final = "/v0/meta/bases/{base}/tables/{table}/fields"
FIELD: Final = "/v0/meta/bases/{base}/tables/{table}/fields/{field}"
ENTERPRISE: Final = "/v0/meta/{rest}"
RECORDS: Final = "/v0/{base}/{table}"
LIST_RECORDS: Final = "/v0/{base}/{table}/listRecords"
RECORD: Final = "/v0/{base}/{table}/{record}"
COMMENTS: Final = "/v0/{base}/{table}/{record}/comments"
COMMENT: Final = "/v0/{base}/{table}/{record}/comments/{comment}"
UPLOAD: Final = "/v0/{base}/{record}/{field}/uploadAttachment"
SYNC: Final = "/v0/{base}/{table}/sync/{sync}"
WEBHOOKS: Final = "/v0/bases/{base}/webhooks"
WEBHOOK: Final = "/v0/bases/{base}/webhooks/{webhook}"
REFRESH: Final = "/v0/bases/{base}/webhooks/{webhook}/refresh"
NOTIFICATIONS: Final = "/v0/bases/{base}/webhooks/{webhook}/enableNotifications"
PAYLOADS: Final = "/v0/bases/{base}/webhooks/{webhook}/payloads"

_WEBHOOK_ID: Final = re.compile(r"ach[0-9A-Za-z]{14}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """A route's template, and what its placeholders stand for."""

    template: str
    values: Mapping[str, str]


def read_address(call: Call) -> Address:
    """Tell which address a call names.

    Raises:
        AddressUnknown: none.
        AddressTooLong: path and query together are longer than Airtable takes.
    """
    path: bytes = call.scope["raw_path"]
    # the question mark counts, and a client that sends one with nothing behind it means nothing by it
    if len(path) + 1 + len(call.query_string) > LONGEST_ADDRESS:
        raise AddressTooLong("address", longest=LONGEST_ADDRESS)
    try:
        parts = [unquote_to_bytes(part).decode() for part in path.removesuffix(b"/").split(b"/")[2:]]
    except UnicodeDecodeError:
        raise AddressUnknown from None
    match parts[:1]:
        case ["meta"]:
            found = _schema_address(parts)
        case ["bases"]:
            found = _webhook_address(parts)
        case _:
            found = _record_address(parts)
    base, record = found.values.get("base"), found.values.get("record")
    if (base is not None and not looks_like_base_id(base)) or (record is not None and not looks_like_record_id(record)):
        raise AddressUnknown
    return found


def _schema_address(parts: list[str]) -> Address:
    match parts:
        case ["meta", "whoami"]:
            return Address(WHOAMI, {})
        case ["meta", "bases"]:
            return Address(BASES, {})
        case ["meta", "bases", base]:
            return Address(BASE, {"base": base})
        case ["meta", "bases", base, "tables"]:
            return Address(TABLES, {"base": base})
        case ["meta", "bases", base, "tables", table]:
            return Address(TABLE_SCHEMA, {"base": base, "table": table})
        case ["meta", "bases", base, "tables", table, "fields"]:
            return Address(FIELDS, {"base": base, "table": table})
        case ["meta", "bases", base, "tables", table, "fields", field]:
            return Address(FIELD, {"base": base, "table": table, "field": field})
        case ["meta", "bases", base, "views" | "shares" | "collaborators" | "invites", *_]:
            return Address(ENTERPRISE, {"base": base})
        case ["meta", "workspaces" | "enterpriseAccounts", *_]:
            return Address(ENTERPRISE, {})
        case _:
            raise AddressUnknown


def _webhook_address(parts: list[str]) -> Address:
    match parts:
        case ["bases", base, "webhooks"]:
            return Address(WEBHOOKS, {"base": base})
        case ["bases", base, "webhooks", webhook, *rest] if _WEBHOOK_ID.fullmatch(webhook):
            template = {
                (): WEBHOOK,
                ("refresh",): REFRESH,
                ("enableNotifications",): NOTIFICATIONS,
                ("payloads",): PAYLOADS,
            }.get(tuple(rest))
            if template is not None:
                return Address(template, {"base": base, "webhook": webhook})
    raise AddressUnknown


def _record_address(parts: list[str]) -> Address:
    match parts:
        case [base, table] if table:
            return Address(RECORDS, {"base": base, "table": table})
        case [base, table, "listRecords"]:
            return Address(LIST_RECORDS, {"base": base, "table": table})
        case [base, table, record]:
            return Address(RECORD, {"base": base, "table": table, "record": record})
        case [base, _, "sync", _]:
            return Address(SYNC, {"base": base})
        case [base, record, field, "uploadAttachment"]:
            return Address(UPLOAD, {"base": base, "record": record, "field": field})
        case [base, table, record, "comments"]:
            return Address(COMMENTS, {"base": base, "table": table, "record": record})
        case [base, table, record, "comments", comment]:
            return Address(COMMENT, {"base": base, "table": table, "record": record, "comment": comment})
        case _:
            raise AddressUnknown
