"""Settings that a running service takes over, and those that wait for its next start."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from airtable_connector.settings.files import UDC_CONFIG_FILE, find_config
from airtable_connector.settings.reading import load_settings, shown
from airtable_connector.settings.table import READERS
from airtable_connector.settings.values import Settings

LIVE: Final = frozenset(name for name, reader in READERS.items() if reader.live)
"""Names of the settings that a running service takes over."""


@dataclass(frozen=True)
class Difference:
    """A setting that two readings see differently; its values as texts, hidden when they are secret."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Configuration:
    """Where a process has its settings from, so that they can be read again."""

    folder: Path
    command_line: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)

    def find(self, config_path: str | None) -> str:
        """Return which file is meant, relative to the folder; without a name the usual one, be it there or not.

        Raises:
            ConfigPathRefused: it is not one that may be read.
        """
        return UDC_CONFIG_FILE if config_path is None else find_config(self.folder, config_path)

    def read(self, config: str = UDC_CONFIG_FILE) -> Settings:
        """Read everything again.

        Raises:
            BadSettings: a setting is wrong, or a file is there and cannot be read.
        """
        return load_settings(
            self.folder, command_line=self.command_line, defaults=self.defaults, udc_config_file=config
        )


def differences(before: Settings, after: Settings) -> tuple[Difference, ...]:
    """Return the settings whose values differ, in the order of the manual."""
    texts = zip(shown(before), shown(after), strict=True)
    return tuple(
        Difference(name, text_before, text_after)
        for (name, text_before, _), (_, text_after, _) in texts
        if _value(before, name) != _value(after, name)
    )


def adopt_live(running: Settings, read: Settings) -> Settings:
    """Return the running settings with the live ones as they were read."""
    adopted = running
    for name in LIVE:
        reader = READERS[name]
        group: Any = getattr(adopted, reader.group)
        changed = replace(group, **{reader.field: _value(read, name)})
        adopted = replace(adopted, **{reader.group: changed})
    sources = {name: (read if name in LIVE else running).sources[name] for name in READERS}
    return replace(adopted, sources=MappingProxyType(sources))


def _value(settings: Settings, name: str) -> object:
    reader = READERS[name]
    return getattr(getattr(settings, reader.group), reader.field)
