"""The connector as a process of its own, for demos that need more than one."""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final, Self

from airtable_connector.cli.errors import DemoConnectorFailed
from airtable_connector.kernel.clock import Clock
from airtable_connector.mesh import PeerClient, PeerFailed

START_WITHIN: Final = 30.0
"""Seconds until it must answer."""

STOP_WITHIN: Final = 15.0
"""Seconds that it is given to end by itself: a call to Airtable that is under way is waited for."""

LOOK_AGAIN: Final = timedelta(milliseconds=100)
"""How soon it is asked again whether it answers."""


class ConnectorProcess:
    """``serve`` on this machine, with data in a folder. Use as an async context manager, which ends the process.

    It has these settings and no others: what the environment or a file ``.env`` says is left alone.

    Args:
        name: what people call it.
        folder: where its data is; its log and its process id are in files of that name beside it.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        port: int,
        settings: Mapping[str, str],
        *,
        client: PeerClient,
        clock: Clock,
    ) -> None:
        self.name = name
        self.address = f"http://127.0.0.1:{port}"
        self.id_file = folder.with_name(f"{folder.name}.pid")
        self.log_file = folder.with_name(f"{folder.name}.log")
        self._folder = folder
        here = {"DATA_DIR": str(folder), "HOST": "127.0.0.1", "PORT": str(port), "DROPLET_URL": self.address}
        self._settings = {**here, **settings}
        self._client = client
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._stop()

    @property
    def is_running(self) -> bool:
        """Tell whether the process is there."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it, and return when it answers.

        Raises:
            DemoConnectorFailed: it has ended, or does not answer in time.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            # a session of its own: Ctrl-C in the terminal is for the demo, which then ends it
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "airtable_connector",
                "serve",
                cwd=self._folder,
                env=self._settings,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        self.id_file.write_text(f"{self._process.pid}\n", encoding="ascii")
        try:
            async with asyncio.timeout(START_WITHIN):
                while self.is_running and not await self._answers():
                    await self._clock.sleep(LOOK_AGAIN)
        except TimeoutError:
            await self._stop()
        if not self.is_running:
            self._forget_id()
            raise DemoConnectorFailed(self.name, self.log_file)

    async def until_it_ends(self) -> None:
        """Wait until the process is gone, whoever ended it."""
        assert self._process is not None
        await self._process.wait()
        self._forget_id()

    async def _answers(self) -> bool:
        try:
            return (await self._client.call("GET", f"{self.address}/health")).accepted
        except PeerFailed:
            return False

    async def _stop(self) -> None:
        process = self._process
        if process is None or not self.is_running:
            return
        with suppress(ProcessLookupError):  # it has just ended
            process.terminate()
        with suppress(TimeoutError):
            try:
                async with asyncio.timeout(STOP_WITHIN):
                    await process.wait()
            finally:
                # it takes too long, or for somebody at the terminal it does
                if self.is_running:
                    process.kill()
                self._forget_id()

    def _forget_id(self) -> None:
        # the id may be another process's next
        self.id_file.unlink(missing_ok=True)
