"""The table of settings as texts: ``.env.example`` and the tables of the manual."""

from collections.abc import Iterator

from airtable_connector.settings import CONFIG_NOT_USED, GROUPS, NOT_USED, READERS

_HEAD = """\
# Copy to .env and take the '#' off the lines you want to change.
# The process environment wins over this file, this file over udc_config.json.
"""


def env_file() -> str:
    """Write every setting with its meaning as an environment file in which each line is commented out."""
    lines = [_HEAD]
    for group, heading in GROUPS.items():
        lines.append(f"# --- {heading}\n")
        for name, reader in READERS.items():
            if reader.group == group:
                lines.extend((f"# {reader.meaning}", f"#{name}={_quoted(reader.default or reader.example)}\n"))
    lines.append("# --- Known, not used by this version\n")
    lines.extend(f"#{name}=\n#   {meaning}" for name, meaning in NOT_USED.items())
    return "\n".join(lines) + "\n"


def markdown() -> str:
    """Write every setting as Markdown tables, one for each group."""
    return "\n".join(_markdown_lines()) + "\n"


def _markdown_lines() -> Iterator[str]:
    for group, heading in GROUPS.items():
        yield f"## {heading}\n"
        yield "| name | meaning | default | example |"
        yield "|---|---|---|---|"
        for name, reader in READERS.items():
            if reader.group == group:
                place = f" In `udc_config.json`: `{reader.in_config}`." if reader.in_config else ""
                secret = " Never shown." if reader.secret else ""
                live = " Taken over by a reload." if reader.live else ""
                default = f"`{reader.default}`" if reader.default else "none"
                yield f"| `{name}` | {reader.meaning}{place}{secret}{live} | {default} | `{reader.example}` |"
        yield ""
    yield "## Known, not used by this version\n"
    yield "| name | what it is for |"
    yield "|---|---|"
    for name, meaning in NOT_USED.items():
        yield f"| `{name}` | {meaning} |"
    for place, meaning in CONFIG_NOT_USED.items():
        yield f"| `{place}` in `udc_config.json` | {meaning} |"


def _quoted(text: str) -> str:
    # a bare ';' or '#' ends a value for some readers of such files
    return f'"{text}"' if any(mark in text for mark in " ;#") else text
