"""What only an administrator may ask: to stop, to stop at once, to read the settings again (UDC v1.0)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import orjson

from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.observer import Observer
from airtable_connector.ops import EmergencyStop, Shutdown
from airtable_connector.web.http import Answer, Call
from airtable_connector.web.udc.members import read_config_path, read_delay, read_members, read_reason

LONGEST_GOODBYE: Final = 1.0
"""Seconds that the answer to an emergency stop has to leave, should its reader be slow."""


@dataclass(frozen=True)
class ChangedSetting:
    """A setting that its files give another value; secrets are shown as hidden."""

    name: str
    applied: bool
    before: str
    after: str


@dataclass(frozen=True)
class Reloaded:
    """What reading the settings again has come to."""

    config_path: str
    changed: tuple[ChangedSetting, ...]

    @property
    def needs_restart(self) -> list[str]:
        """Names of the settings that wait for the next start."""
        return [setting.name for setting in self.changed if not setting.applied]


class Reload(Protocol):
    """Reads the settings again and applies what can be applied, or raises and changes nothing."""

    def __call__(self, config_path: str | None, *, by: int) -> Awaitable[Reloaded]:
        """Do it for a droplet, with another file in the place of ``udc_config.json`` when one is named."""
        ...


class ControlEndpoints:
    """HTTP endpoints that change the process itself."""

    def __init__(
        self, *, shutdown: Shutdown, reload: Reload, end: Callable[[], object], clock: Clock, observer: Observer
    ) -> None:
        """Hold what is done.

        Args:
            shutdown: stops the process after a delay.
            reload: reads the settings again.
            end: ends the process on the spot, after writing what the log still holds.
            clock: stamps the answers.
            observer: is told of emergencies.
        """
        self._shutdown = shutdown
        self._reload = reload
        self._end = end
        self._clock = clock
        self._observer = observer

    async def shut_down(self, call: Call) -> Answer:
        """Answer ``POST /shutdown`` ``{"delay_seconds"?: 0..300, "reason"?}``: stop then, with everything finished.

        A later request takes the place of an earlier one.
        """
        members = await read_members(call, ("delay_seconds", "reason"))
        delay = read_delay(members)
        before = self._shutdown.scheduled
        scheduled = self._shutdown.schedule(delay, reason=read_reason(members), by=call.caller.droplet)
        seconds = delay.total_seconds()
        return self._answer(
            {
                "shutdown_scheduled": True,
                "delay_seconds": int(seconds) if seconds.is_integer() else seconds,
                **scheduled.shown(),
                "replaced": None if before is None else before.shown(),
            }
        )

    async def cancel_shutdown(self, call: Call) -> Answer:
        """Answer ``DELETE /shutdown``: call it off."""
        cancelled = self._shutdown.cancel(by=call.caller.droplet)
        return self._answer({"shutdown_scheduled": False, "cancelled": cancelled.shown()})

    async def emergency_stop(self, call: Call) -> Answer:
        """Answer ``POST /emergency-stop``: end the process as soon as this answer has left, finishing nothing."""
        by = call.caller.droplet
        self._observer.saw(EmergencyStop(by))
        request = asyncio.current_task()
        assert request is not None
        # the request's task is done when its answer was handed to the server and its line to the log
        request.add_done_callback(lambda _: self._end())
        asyncio.get_running_loop().call_later(LONGEST_GOODBYE, self._end)
        return self._answer({"emergency_stop": True, "initiated_by": by})

    async def reload_config(self, call: Call) -> Answer:
        """Answer ``POST /reload-config`` ``{"config_path"?}``: read the settings again, whole or not at all."""
        members = await read_members(call, ("config_path",))
        reloaded = await self._reload(read_config_path(members), by=call.caller.droplet)
        return self._answer(
            {
                "reloaded": True,
                "config_path": reloaded.config_path,
                "changed": reloaded.changed,
                "needs_restart": reloaded.needs_restart,
            }
        )

    def _answer(self, facts: Mapping[str, object]) -> Answer:
        return Answer(200, orjson.dumps({**facts, "timestamp": iso(self._clock.now())}))
