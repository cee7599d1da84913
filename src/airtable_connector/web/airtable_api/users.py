"""Droplets as Airtable's users: their ids, their names, who is meant by a mention."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

from airtable_connector.records import stable_id

MOST_MENTIONED: Final = 1_000
"""Droplet numbers, from 1 on, that a mention is looked for among: an id does not tell its number."""

_MENTION: Final = re.compile(r"@\[(usr[0-9A-Za-z]{14})\]", re.ASCII)


def user_id(droplet: int) -> str:
    """Return the id that a droplet has as a user, in every base."""
    return stable_id("usr", str(droplet))


def user(droplet: int) -> dict[str, str]:
    """Show a droplet as a user; droplets have no email."""
    return {"id": user_id(droplet), "name": _name(droplet)}


def mentioned(text: str) -> dict[str, dict[str, str]]:
    """Show whom a text mentions (``@[usr…]``), by id; an id that is no droplet's is left as text."""
    named = dict.fromkeys(_MENTION.findall(text))
    if not named:
        return {}
    known = _droplets()
    return {each: {"type": "user", "id": each, "displayName": _name(known[each])} for each in named if each in known}


def _name(droplet: int) -> str:
    return f"Droplet {droplet}"


@cache
def _droplets() -> Mapping[str, int]:
    return {user_id(droplet): droplet for droplet in range(1, MOST_MENTIONED + 1)}
