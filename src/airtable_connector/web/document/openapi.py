"""The whole OpenAPI document."""

from functools import cache
from typing import Final

import orjson

from airtable_connector import __version__
from airtable_connector.web.document.answers import headers, responses
from airtable_connector.web.document.parameters import parameters
from airtable_connector.web.document.paths import TAGS, paths
from airtable_connector.web.document.schemas import schemas
from airtable_connector.web.document.shapes import Schema

ABOUT: Final = (
    "Sprints, cells, proofs and heartbeats of the mesh, and what is counted from them.\n\n"
    "GET paths answer HEAD as well; OPTIONS answers pages of allowed origins. Another method is answered 405 with"
    " `Allow`, another path 404. Query parameters that are not listed are refused with 422 wherever some are listed."
    " Every answer carries `X-Trace-ID`; errors carry it in `error.details.trace_id`.\n\n"
    "Not described here: below `/v0/` the same records are served under Airtable's Web API, with its own error form."
    " `docs/airtable-compatibility.md` lists every route and parameter of it."
)


@cache
def document() -> Schema:
    """Return the document as data; treat it as read-only."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Airtable Connector", "version": __version__, "description": ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths(),
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "RS256. GET needs the permission read, everything else write, except where"
                    " an operation lists admin."
                    " `airtable-connector token` prints one.",
                }
            },
            "parameters": parameters(),
            "headers": headers(),
            "responses": responses(),
            "schemas": schemas(),
        },
    }


@cache
def describe() -> bytes:
    """Return the document as JSON (OpenAPI 3.1)."""
    return orjson.dumps(document())
