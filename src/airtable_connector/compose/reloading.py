"""Reading the settings of a running service again: asked over HTTP, or by SIGHUP."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final, TypeAlias

from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.ops import Logs
from airtable_connector.settings import LIVE, Configuration, Settings, adopt_live, differences
from airtable_connector.web.udc import ChangedSetting, Reloaded

STEP: Final = "reload-config"
UNTIL_WOKEN: Final = timedelta(days=1)

Appliers: TypeAlias = Mapping[str, Callable[[Settings], object]]
"""By the name of a setting, what makes a running service go by it. They must not fail: all is checked before."""


class Reloader:
    """Knows the settings that are in force, and takes over new ones whole or not at all.

    The process environment and the command line stay stronger than the files, as they were at the start.
    """

    def __init__(
        self, running: Settings, configuration: Configuration, *, logs: Logs, wake: Callable[[], object]
    ) -> None:
        self._running = running
        self._configuration = configuration
        self._logs = logs
        self._wake = wake
        self._appliers: Appliers = {}
        self._one_at_a_time = asyncio.Lock()
        self._asked = False

    def applies_by(self, appliers: Appliers) -> None:
        """Learn how the live settings take effect; each needs its way, or an answer would say what is not so."""
        if appliers.keys() != LIVE:
            raise ValueError(f"live settings and the ways to apply them differ: {sorted(appliers.keys() ^ LIVE)}")
        self._appliers = appliers

    async def reload(self, config_path: str | None = None, *, by: int | None = None) -> Reloaded:
        """Read the files again and apply what a running service can take over.

        Raises:
            BadSettings: a setting or a file is wrong; nothing was changed.
            ConfigPathRefused: the file that is named must not be read; nothing was changed.
        """
        async with self._one_at_a_time:
            try:
                config, read = await asyncio.to_thread(self._read, config_path)
            except ConnectorError as refusal:
                self._logs.events.warning("reload_refused", by=by, reason=refusal.code, message=refusal.message)
                raise
            reloaded = self._take_over(config, read)
        names = [setting.name for setting in reloaded.changed]
        self._logs.events.info(
            "config_reloaded", by=by, config=config, changed=names, needs_restart=reloaded.needs_restart
        )
        return reloaded

    def ask(self) -> None:
        """Have the settings read again soon; the log tells what came of it. Only from the event loop's thread."""
        self._asked = True
        self._wake()

    async def reload_when_asked(self) -> timedelta:
        """Do what was asked for, as a supervisor's step."""
        if self._asked:
            self._asked = False
            try:
                await self.reload()
            except ConnectorError:
                return UNTIL_WOKEN  # the log has it, and the same files will be wrong again
        return UNTIL_WOKEN

    def _read(self, config_path: str | None) -> tuple[str, Settings]:
        config = self._configuration.find(config_path)
        return config, self._configuration.read(config)

    def _take_over(self, config: str, read: Settings) -> Reloaded:
        changed = tuple(
            ChangedSetting(each.name, applied=each.name in LIVE, before=each.before, after=each.after)
            for each in differences(self._running, read)
        )
        self._running = adopt_live(self._running, read)
        # several settings may take effect in the same way; once is enough
        for apply in dict.fromkeys(self._appliers[setting.name] for setting in changed if setting.applied):
            apply(self._running)
        return Reloaded(config, changed)
