"""Arguments in, exit code out."""

from airtable_connector.cli.app import main

__all__ = ["main"]
