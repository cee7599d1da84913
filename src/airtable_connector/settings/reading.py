"""From texts to settings: pick the strongest source for each name, parse, and tell all mistakes at once."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

from airtable_connector.kernel.secret import Secret
from airtable_connector.kernel.suggest import did_you_mean
from airtable_connector.settings.errors import BadSettings
from airtable_connector.settings.files import ENV_FILE, UDC_CONFIG_FILE, contents
from airtable_connector.settings.table import CONFIG_NOT_USED, GROUPS, NOT_USED, READERS, REQUIRE_AUTH
from airtable_connector.settings.values import (
    AirtableApiSettings,
    CloudAccess,
    DigestSettings,
    DropletSettings,
    EdgeSettings,
    HeartbeatSettings,
    IdentitySettings,
    MeshSettings,
    MessageSettings,
    ServerSettings,
    Settings,
    StoreSettings,
)


@dataclass
class _Findings:
    """What reading gathers on its way; `read_settings` alone owns it."""

    mistakes: list[str]
    not_used: list[str]


def read_settings(
    environ: Mapping[str, str],
    *,
    env_file: str | None = None,
    udc_config: str | None = None,
    udc_config_file: str = UDC_CONFIG_FILE,
    command_line: Mapping[str, str] = MappingProxyType({}),
    defaults: Mapping[str, str] = MappingProxyType({}),
) -> Settings:
    """Make settings out of texts; reads nothing else.

    ``env_file`` and ``udc_config`` are the contents of the two files, ``udc_config_file`` is what the second is called,
    ``command_line`` holds values by setting name, and ``defaults`` replaces single defaults of the table. Names in
    ``environ`` that are not ours are nobody's business; in the two files they are mistakes.

    Raises:
        BadSettings: with every mistake, not only the first.
    """
    found = _Findings([], [name for name in NOT_USED if environ.get(name)])
    sources = {
        "command line": command_line,
        "environment": environ,
        ENV_FILE: _read_env_file(env_file or "", found),
        udc_config_file: _read_udc_config(udc_config, udc_config_file, found),
        "default": {name: defaults.get(name, reader.default) for name, reader in READERS.items()},
    }
    values: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    origins: dict[str, str] = {}
    for name, reader in READERS.items():
        origin, text = _strongest(name, sources)
        origins[name] = origin
        try:
            values[reader.group][reader.field] = reader.parse(text)
        except ValueError as cause:
            shown = "its value" if reader.secret else repr(text[:80])
            found.mistakes.append(f"{name} ({origin}): {shown} is not {cause}")
    if found.mistakes:
        raise BadSettings(found.mistakes)
    return _assemble(values, origins, found.not_used)


def load_settings(
    folder: Path,
    *,
    command_line: Mapping[str, str] = MappingProxyType({}),
    defaults: Mapping[str, str] = MappingProxyType({}),
    udc_config_file: str = UDC_CONFIG_FILE,
) -> Settings:
    """Read the process environment and the two files in ``folder``; a file that is not there is no trouble.

    ``udc_config_file`` may name another file for the second, by its path in the folder.

    Raises:
        BadSettings: a setting is wrong, or a file is there and cannot be read.
    """
    return read_settings(
        os.environ,  # noqa: TID251 - the one place that reads it
        env_file=contents(folder / ENV_FILE),
        udc_config=contents(folder / udc_config_file),
        udc_config_file=udc_config_file,
        command_line=command_line,
        defaults=defaults,
    )


def shown(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """List name, value as text and source of every setting, without showing a secret."""
    for name, reader in READERS.items():
        value = getattr(getattr(settings, reader.group), reader.field)
        yield name, _as_text(value), settings.sources[name]


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Secret):
        return "(hidden)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value)


def _assemble(values: Mapping[str, Mapping[str, Any]], origins: dict[str, str], not_used: list[str]) -> Settings:
    # the table and the groups are held together by a test, which the type checker cannot be asked to do
    return Settings(
        droplet=DropletSettings(**values["droplet"]),
        store=StoreSettings(**values["store"]),
        server=ServerSettings(**values["server"]),
        edge=EdgeSettings(**values["edge"]),
        airtable_api=AirtableApiSettings(**values["airtable_api"]),
        cloud=CloudAccess(**values["cloud"]),
        identity=IdentitySettings(**values["identity"]),
        mesh=MeshSettings(**values["mesh"]),
        messages=MessageSettings(**values["messages"]),
        heartbeats=HeartbeatSettings(**values["heartbeats"]),
        digest=DigestSettings(**values["digest"]),
        sources=MappingProxyType(origins),
        not_used=tuple(dict.fromkeys(not_used)),
    )


def _strongest(name: str, sources: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    for origin, texts in sources.items():
        text = texts.get(name, "").strip()
        if text:
            return origin, text
    return "default", ""


def _read_env_file(content: str, found: _Findings) -> dict[str, str]:
    if not content:
        return {}
    from dotenv.parser import parse_stream  # noqa: PLC0415 - most starts have no such file, and the import costs 50 ms

    given: dict[str, str] = {}
    for binding in parse_stream(StringIO(content)):
        name = binding.key
        if binding.error:
            # the line is not shown: what cannot be read may be a secret
            found.mistakes.append(f"line {binding.original.line} ({ENV_FILE}): is not NAME=value")
        elif name is None:
            continue  # a comment or an empty line
        elif name in READERS:
            given[name] = binding.value or ""
        elif name in NOT_USED:
            found.not_used.extend([name] if binding.value else [])
        else:
            found.mistakes.append(f"{name} ({ENV_FILE}): is no setting; {did_you_mean(name, [*READERS, *NOT_USED])}")
    return given


def _read_udc_config(content: str | None, file: str, found: _Findings) -> dict[str, str]:
    if content is None:
        return {}
    try:
        places = dict(_places(json.loads(content)))
    except (ValueError, RecursionError) as cause:
        found.mistakes.append(f"{file} is not a JSON object of objects: {cause}")
        return {}
    by_place = {reader.in_config: name for name, reader in READERS.items() if reader.in_config}
    given: dict[str, str] = {}
    for place, value in places.items():
        if value is None:
            continue
        if place in by_place:
            given[by_place[place]] = value if isinstance(value, str) else json.dumps(value)
        elif place in CONFIG_NOT_USED:
            continue  # the contract wants them in every such file, so their presence says nothing
        elif place != REQUIRE_AUTH:
            known = [*by_place, *CONFIG_NOT_USED, REQUIRE_AUTH]
            found.mistakes.append(f"{place} ({file}): is no setting; {did_you_mean(place, known)}")
        elif value is not True:
            found.mistakes.append(f"{place} ({file}): must be true; identity is never optional")
    return given


def _places(config: object) -> Iterator[tuple[str, object]]:
    if not isinstance(config, dict):
        raise ValueError("the whole is not an object")  # noqa: TRY004 - the reader of a text raises what json does
    for section, entries in config.items():
        if not isinstance(entries, dict):
            raise ValueError(f"{section[:80]!r} is not an object")  # noqa: TRY004 - as above
        for entry, value in entries.items():
            yield f"{section}.{entry}", value
