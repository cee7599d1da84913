"""What the droplet tells about itself: ``GET /state``, ``/capabilities`` and ``/version`` (UDC v1.0)."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import orjson

from airtable_connector import __version__
from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.ops import Build, State
from airtable_connector.web.http import Answer, Call

UDC_VERSION: Final = "1.0"

FEATURES: Final[Mapping[str, str]] = {
    "/sprints": "records",
    "/changes": "change-feed",
    "/events": "event-stream",
    "/heartbeats/rollup": "heartbeat-rollups",
    "/daily-digest": "daily-digest",
    "/dashboard": "dashboard",
    "/webhook": "webhooks",
    "/message": "messages-in",
    "/send": "messages-out",
    "/v0/": "airtable-web-api",
    "/shutdown": "scheduled-shutdown",
    "/reload-config": "config-reload",
}
"""What a droplet can do that answers at a path. A path that is not answered is a feature that is not there."""


UNKNOWN: Final = "unknown"
"""What is said of a build where the build does not say it."""


class AboutEndpoints:
    """HTTP endpoints that only tell."""

    def __init__(
        self,
        *,
        build: Build,
        environment: str,
        state: State,
        features: Sequence[str],
        dependencies: Sequence[str],
        clock: Clock,
    ) -> None:
        """Hold what is told.

        Args:
            build: which program this is.
            environment: where it runs: development or production.
            state: what changes from moment to moment.
            features: what is switched on and has no path of its own.
            dependencies: the droplets that this one is set up to need.
            clock: stamps the answers.
        """
        self._build = build
        self._environment = environment
        self._state = state
        self._features = tuple(features)
        self._dependencies = tuple(dependencies)
        self._clock = clock

    def found_at(self, paths: Collection[str]) -> None:
        """Learn which paths the service answers; it can do what they stand for."""
        found = (feature for path, feature in FEATURES.items() if path in paths)
        self._features = tuple(dict.fromkeys([*found, *self._features]))

    async def state(self, _call: Call) -> Answer:
        """Answer ``GET /state``."""
        return self._answer(await self.state_facts())

    async def capabilities(self, _call: Call) -> Answer:
        """Answer ``GET /capabilities``."""
        return self._answer(await self.capability_facts())

    async def version(self, _call: Call) -> Answer:
        """Answer ``GET /version``; what is not known is said to be ``unknown``, because UDC wants a text."""
        build = self._build
        return self._answer(
            {
                "version": __version__,
                "build_date": build.built_at or UNKNOWN,
                "commit_hash": build.commit or UNKNOWN,
                "environment": self._environment,
                "deployed_by": build.deployed_by or UNKNOWN,
                "source": build.source,
                "modified": build.modified,
            }
        )

    async def state_facts(self) -> Mapping[str, object]:
        """Return what ``/state`` tells, for a message that asks."""
        return self._state.facts()

    async def capability_facts(self) -> Mapping[str, object]:
        """Return what ``/capabilities`` tells, for a message that asks."""
        build = self._build
        return {
            "version": __version__,
            "features": self._features,
            "dependencies": self._dependencies,
            "udc_version": UDC_VERSION,
            "metadata": {
                "build_date": build.built_at or UNKNOWN,
                "commit_hash": build.commit or UNKNOWN,
                "source": build.source,
                "environment": self._environment,
            },
        }

    def _answer(self, facts: Mapping[str, object]) -> Answer:
        return Answer(200, orjson.dumps({**facts, "timestamp": iso(self._clock.now())}))
