"""Heartbeats at Airtable at a cost that stays: the newest beat of each cell, and hours, on a schedule."""

from airtable_connector.sync.beats.schedule import CALL_EVERY
from airtable_connector.sync.beats.sending import BeatSender, BeatsLeftOut, BeatsRefused, BeatsSent, BeatsWithoutTable
from airtable_connector.sync.beats.settings import BeatsMode, BeatsSettings

__all__ = [
    "CALL_EVERY",
    "BeatSender",
    "BeatsLeftOut",
    "BeatsMode",
    "BeatsRefused",
    "BeatsSent",
    "BeatsSettings",
    "BeatsWithoutTable",
]
