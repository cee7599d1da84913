import re
from pathlib import Path

from airtable_connector.localmesh import Quirk

MANUAL = Path(__file__).resolve().parents[3] / "docs" / "local-mesh.md"


def test_the_manual_lists_every_quirk_as_the_table_of_facts_does() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| ([0-9., ]+) \| (.+) \| (.+) \|$", MANUAL.read_text(), re.MULTILINE)
    assert rows == [(quirk.label, quirk.section, quirk.real, quirk.written) for quirk in Quirk]
