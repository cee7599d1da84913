"""What the Orchestrator asks of a Registry on its own (2.10)."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.observer import Fact, Observer
from airtable_connector.localmesh.courier import Courier
from airtable_connector.localmesh.orchestrator.droplets import Droplet, Droplets
from airtable_connector.localmesh.settings import MOST_DROPLETS

SYNC_EVERY: Final = timedelta(seconds=300)
SYNC_LIMIT: Final = timedelta(seconds=10)


@dataclass(frozen=True)
class DirectorySynced(Fact):
    """The Registry's list came; ``skipped`` rows had a text for an id or an unknown status."""

    taken: int
    skipped: int


@dataclass(frozen=True)
class DirectoryNotSynced(Fact):
    """The Registry answered no bare list; only such a list is understood."""


class _Row(BaseModel):
    model_config = ConfigDict(strict=True)

    id: int
    name: str
    endpoint: str
    steward: str | None = None
    capabilities: list[str] | None = None
    status: Literal["active", "inactive", "error"]


class DirectorySync:
    """Copies the Registry's bare list over what droplets registered themselves, endpoints and capabilities included."""

    def __init__(
        self, droplets: Droplets, courier: Courier, *, registry_url: str, clock: Clock, observer: Observer
    ) -> None:
        self._droplets = droplets
        self._courier = courier
        self._url = f"{registry_url}/droplets"
        self._clock = clock
        self._observer = observer

    async def sync_once(self) -> timedelta:
        """Fetch and take in the list once."""
        listed = _read_list(await self._courier.fetch(self._url, within=SYNC_LIMIT))
        if listed is None:
            self._observer.saw(DirectoryNotSynced())
            return SYNC_EVERY
        rows = [row for each in listed[:MOST_DROPLETS] if (row := _read_row(each)) is not None]
        for row in rows:
            self._take_in(row)
        self._observer.saw(DirectorySynced(taken=len(rows), skipped=len(listed) - len(rows)))
        return SYNC_EVERY

    def _take_in(self, row: _Row) -> None:
        at = self._clock.now()
        # only a new row takes the Registry's word on the status
        present = self._droplets.find(row.id) or Droplet(
            id=row.id, name=row.name, endpoint=row.endpoint, status=row.status, registered_at=at, last_beat=at
        )
        self._droplets.put(
            replace(
                present,
                name=row.name,
                steward=row.steward,
                endpoint=row.endpoint,
                capabilities=row.capabilities or [],
            )
        )


def _read_list(body: bytes | None) -> list[Any] | None:
    if body is None:
        return None
    try:
        listed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return listed if isinstance(listed, list) else None


def _read_row(listed: object) -> _Row | None:
    try:
        return _Row.model_validate(listed)
    except ValidationError:
        return None
