"""The composition root: opens the rooms, wires them, and closes them in reverse.

The command line starts here; nothing below knows how the house is put together.
"""

from airtable_connector.compose.base import Base, attachment_files, database_location, open_base
from airtable_connector.compose.demo import load_sample
from airtable_connector.compose.rooms import Rooms, open_rooms
from airtable_connector.compose.running import demo, serve

__all__ = [
    "Base",
    "Rooms",
    "attachment_files",
    "database_location",
    "demo",
    "load_sample",
    "open_base",
    "open_rooms",
    "serve",
]
