"""The manual's tables of functions say what the table of functions says."""

from pathlib import Path

import pytest

from airtable_connector.records.formula import FUNCTIONS, Function, Section

MANUAL = Path(__file__).resolve().parents[4] / "docs" / "formulas.md"


def line_of(function: Function) -> str:
    wanted = [str(kind) for kind in function.takes]
    if function.rest is not None:
        wanted.append("…")
    first_optional = len(function.takes) - function.optional
    shown = [
        f"[{kind}]" if first_optional <= place < len(function.takes) else kind for place, kind in enumerate(wanted)
    ]
    words = " ".join(part for part in (function.about, function.differs and f"*{function.differs}*") if part)
    example = f"`{function.example.formula}` → `{function.example.gives}`"
    return f"| `{function.name}({', '.join(shown)})` | {words} | {example} |"


def table_of(section: Section) -> str:
    lines = [line_of(each) for each in FUNCTIONS.values() if each.section is section]
    return "\n".join([f"### {section}", "", "| function | what it gives | example |", "|---|---|---|", *lines, ""])


@pytest.mark.parametrize("section", list(Section))
def test_the_manual_shows_every_function_as_it_is(section: Section) -> None:
    # when this fails, the text that it looked for is what belongs into the manual
    assert table_of(section) in MANUAL.read_text(encoding="utf-8")
