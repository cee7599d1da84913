import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes import FakeClock

from airtable_connector.compose.reloading import Reloader
from airtable_connector.ops import LogForm, Logs, configure_logging
from airtable_connector.settings import LIVE, BadSettings, ConfigPathRefused, Configuration, Settings

pytestmark = pytest.mark.anyio


class House:
    """A service's settings, the folder they came from, and what was applied of them."""

    def __init__(self, folder: Path, logs: Logs) -> None:
        self.folder = folder
        self.applied: list[tuple[str, Settings]] = []
        self.wakes = 0
        configuration = Configuration(folder, command_line={"PORT": "9000"})
        self.reloader = Reloader(configuration.read(), configuration, logs=logs, wake=self._wake)
        self.reloader.applies_by({name: self._note(name) for name in LIVE})

    def write(self, text: str) -> None:
        (self.folder / ".env").write_text(text)

    def names(self) -> list[str]:
        return sorted(name for name, _ in self.applied)

    def _note(self, name: str) -> Callable[[Settings], object]:
        return lambda settings: self.applied.append((name, settings))

    def _wake(self) -> None:
        self.wakes += 1


class Said:
    def __init__(self) -> None:
        self.written = b""

    def __call__(self, lines: bytes) -> None:
        self.written += lines


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def house(tmp_path: Path, said: Said) -> Iterator[House]:
    logs = configure_logging("info", LogForm.JSON, said, clock=FakeClock())
    yield House(tmp_path, logs)
    logs.close()


def lines(said: Said, house: House) -> list[dict[str, Any]]:
    house.reloader._logs.close()
    return [json.loads(line) for line in said.written.splitlines()]


async def test_a_live_setting_is_applied_and_another_waits(house: House) -> None:
    house.write("LOG_LEVEL=debug\nHOST=0.0.0.0\n")
    reloaded = await house.reloader.reload()
    assert [(each.name, each.applied, each.before, each.after) for each in reloaded.changed] == [
        ("HOST", False, "127.0.0.1", "0.0.0.0"),
        ("LOG_LEVEL", True, "info", "debug"),
    ]
    assert reloaded.needs_restart == ["HOST"]
    [(name, settings)] = house.applied
    assert (name, settings.server.log_level, settings.server.host) == ("LOG_LEVEL", "debug", "127.0.0.1")


async def test_what_waits_is_told_each_time_and_what_was_applied_once(house: House) -> None:
    house.write("LOG_LEVEL=debug\nHOST=0.0.0.0\n")
    await house.reloader.reload()
    again = await house.reloader.reload()
    assert [each.name for each in again.changed] == ["HOST"]
    house.write("")
    back = await house.reloader.reload()
    assert [(each.name, each.before, each.after) for each in back.changed] == [("LOG_LEVEL", "debug", "info")]


async def test_one_mistake_leaves_everything_as_it_was(house: House) -> None:
    house.write("LOG_LEVEL=debug\nRATE_LIMIT_PER_MINUTE=none\nTRUSTED_NETWORKS=everybody\n")
    with pytest.raises(BadSettings) as refused:
        await house.reloader.reload()
    assert len(refused.value.mistakes) == 2
    assert house.applied == []
    house.write("")
    assert (await house.reloader.reload()).changed == ()


async def test_the_command_line_stays_stronger(house: House) -> None:
    house.write("PORT=7000\n")
    assert (await house.reloader.reload()).changed == ()


async def test_another_file_may_stand_in_for_the_usual_one_for_one_time(house: House) -> None:
    (house.folder / "udc_config.json").write_text('{"droplet": {"steward": "Ada"}}')
    (house.folder / "other.json").write_text('{"droplet": {"steward": "Grace"}}')
    other = await house.reloader.reload("other.json")
    assert (other.config_path, other.changed[0].after) == ("other.json", "Grace")
    usual = await house.reloader.reload()
    assert (usual.config_path, usual.changed[0].after) == ("udc_config.json", "Ada")
    with pytest.raises(ConfigPathRefused):
        await house.reloader.reload("third.json")


async def test_what_is_wrong_in_another_file_is_told_by_its_name(house: House) -> None:
    (house.folder / "other.json").write_text('{"droplet": {"id": "two"}}')
    with pytest.raises(BadSettings, match=r"DROPLET_ID \(other.json\): 'two'"):
        await house.reloader.reload("other.json")


async def test_a_secret_is_shown_neither_in_the_answer_nor_in_the_log(house: House, said: Said) -> None:
    for secret in ("hunter2", "hunter3"):
        house.write(f"REGISTRY_KEY={secret}\nDATABASE_URL=postgresql://me:{secret}@db/base\n")
        reloaded = await house.reloader.reload()
        assert [(each.name, each.after) for each in reloaded.changed] == [
            ("DATABASE_URL", "(hidden)"),
            ("REGISTRY_KEY", "(hidden)"),
        ]
        assert "hunter" not in repr(reloaded)
    house.write("DATABASE_URL=mysql://me:hunter4@db/base\n")
    with pytest.raises(BadSettings) as refused:
        await house.reloader.reload()
    assert "hunter" not in str(refused.value.facts)
    assert "hunter" not in str(lines(said, house))


async def test_reloads_that_come_together_are_done_one_after_the_other(house: House) -> None:
    house.write("LOG_LEVEL=debug\n")
    first, second = await asyncio.gather(house.reloader.reload(), house.reloader.reload())
    assert (len(first.changed), len(second.changed)) == (1, 0)
    assert house.names() == ["LOG_LEVEL"]


async def test_a_signal_has_it_done_by_the_step_and_the_log_tells_the_outcome(house: House, said: Said) -> None:
    await house.reloader.reload_when_asked()
    house.write("LOG_LEVEL=warning\n")
    house.reloader.ask()
    assert house.wakes == 1
    await house.reloader.reload_when_asked()
    house.write("LOG_LEVEL=loud\n")
    house.reloader.ask()
    await house.reloader.reload_when_asked()
    await house.reloader.reload_when_asked()
    told = [(line["event"], line.get("changed"), line.get("reason")) for line in lines(said, house)]
    assert told == [("config_reloaded", ["LOG_LEVEL"], None), ("reload_refused", None, "bad-settings")]


def test_a_live_setting_without_a_way_to_apply_it_is_a_bug_that_shows_at_the_start(house: House) -> None:
    with pytest.raises(ValueError, match="LOG_LEVEL"):
        house.reloader.applies_by({name: lambda _: None for name in LIVE - {"LOG_LEVEL"}})
