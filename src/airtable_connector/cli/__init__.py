"""Arguments in, exit code out."""

from airtable_connector.cli.entry import main

__all__ = ["main"]
