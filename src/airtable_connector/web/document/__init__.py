"""What the HTTP interface is, told once: as OpenAPI for programs and as a page for people."""

from airtable_connector.web.document.openapi import describe
from airtable_connector.web.document.page import PAGE_POLICY, documentation_page

__all__ = ["PAGE_POLICY", "describe", "documentation_page"]
