"""Reading the settings of a started service again: each live one is shown to take effect, the others wait."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from tests.service import Place, Service, running

from airtable_connector.settings import LIVE, READERS

OPEN = {"RATE_LIMIT_PER_MINUTE": ""}
"""Takes the quota of `tests.service` out of the environment, which would be stronger than the files."""

PAGE = {"Origin": "https://dashboard.example"}
FORWARDED = {"X-Forwarded-For": "198.51.100.77"}


@dataclass
class House:
    """A service, its `.env`, and an administrator."""

    service: Service
    client: httpx2.Client
    marks: int = 0

    def write(self, *lines: str) -> None:
        (self.service.place.data_dir / ".env").write_text("\n".join(lines))

    def reload(self, **body: str) -> dict[str, Any]:
        answer = self.client.post("/reload-config", json=body) if body else self.client.post("/reload-config")
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        assert told["reloaded"] is True
        return told

    def refused(self, **body: str) -> dict[str, Any]:
        answer = self.client.post("/reload-config", json=body)
        assert answer.status_code == 422, answer.text
        details: dict[str, Any] = answer.json()["error"]["details"]
        return details

    def logged(self) -> dict[str, Any]:
        """Make a request and return its line in the log."""
        self.marks += 1
        self.client.get("/sprints", headers={"X-Trace-ID": f"mark-{self.marks}", **FORWARDED})
        return self.service.wait_for_log("request", trace_id=f"mark-{self.marks}")


@contextmanager
def house(place: Place, settings: dict[str, str] | None = None) -> Iterator[House]:
    with (
        running(place, OPEN | (settings or {})) as service,
        service.client(service.headers("read,write,admin", droplet=1)) as client,
    ):
        yield House(service, client)


def price(house: House) -> object:
    return house.client.get("/health").json()["cost_usd"] > 0


def talk(house: House) -> object:
    house.client.get("/sprints", headers={"X-Trace-ID": "silent"})
    house.write("LOG_LEVEL=info")
    house.reload()
    house.logged()  # lines keep their order: what was to be said before it was said
    return any('"silent"' in line for line in house.service.log)


def stranger(house: House) -> object:
    with house.service.client({}) as client:
        return client.get("/sprints").status_code


def address(house: House) -> object:
    return house.logged()["address"]


def origin(house: House) -> object:
    return house.client.get("/sprints", headers=PAGE).headers.get("access-control-allow-origin")


def quota(house: House) -> object:
    with house.service.client(house.service.headers(droplet=30 + house.marks)) as client:
        house.marks += 1
        answers = [client.get("/sprints") for _ in range(3)]
    return [answer.status_code for answer in answers], answers[0].headers["ratelimit-policy"]


def body(house: House) -> object:
    return house.client.post("/webhook", json={"text": "x" * 2_000}).status_code


def bulk(house: House) -> object:
    return house.client.post("/sprints", json=[{"Notes": "x" * 2_000}]).status_code


def messages(house: House) -> object:
    return [house.client.post("/message", json={"message_type": "event"}).status_code for _ in range(2)]


@dataclass(frozen=True)
class Effect:
    """What a setting's value does, and how that is seen."""

    value: str
    look: Callable[[House], object]
    before: object
    after: object


EFFECTS = {
    "COST_PER_HOUR": Effect("1000000", price, before=False, after=True),
    "LOG_LEVEL": Effect("error", talk, before=True, after=False),
    "TRUSTED_NETWORKS": Effect('"127.0.0.1/32 = 7: read"', stranger, before=401, after=200),
    "TRUSTED_PROXIES": Effect("127.0.0.1/32", address, before="127.0.0.1", after="198.51.100.77"),
    "ALLOWED_ORIGINS": Effect("https://dashboard.example", origin, before=None, after="https://dashboard.example"),
    "RATE_LIMIT_PER_MINUTE": Effect(
        "2", quota,
        before=([200, 200, 200], '"default";q=6000;w=60'),
        after=([200, 200, 429], '"default";q=2;w=60'),
    ),
    "BODY_LIMIT_BYTES": Effect("1024", body, before=200, after=413),
    "BULK_BODY_LIMIT_BYTES": Effect("1024", bulk, before=201, after=413),
    "MESSAGE_RATE_PER_MINUTE": Effect("1", messages, before=[422, 422], after=[422, 429]),
}  # fmt: skip


def test_every_live_setting_is_shown_here() -> None:
    assert EFFECTS.keys() == LIVE


@pytest.mark.parametrize("name", EFFECTS)
def test_a_live_setting_takes_effect_when_its_file_is_read_again(name: str, sqlite_place: Place) -> None:
    effect = EFFECTS[name]
    with house(sqlite_place) as there:
        if name != "LOG_LEVEL":
            assert effect.look(there) == effect.before
        there.write(f"{name}={effect.value}")
        (changed,) = there.reload()["changed"]
        assert (changed["name"], changed["applied"]) == (name, True)
        assert changed["after"] == effect.value.strip('"')
        assert effect.look(there) == effect.after


def test_at_the_usual_level_the_silent_request_is_heard(sqlite_place: Place) -> None:
    with house(sqlite_place) as there:
        assert EFFECTS["LOG_LEVEL"].look(there) == EFFECTS["LOG_LEVEL"].before


def test_settings_that_are_not_live_are_told_to_wait_and_change_nothing(sqlite_place: Place) -> None:
    waiting = [name for name in READERS if name not in LIVE and not name.endswith("_FILE")]
    with house(sqlite_place) as there:
        health = there.client.get("/health").json()
        there.write(*(f"{name}='{READERS[name].example}'" for name in waiting))
        told = there.reload()
        assert told["changed"]
        assert {change["applied"] for change in told["changed"]} == {False}
        assert told["needs_restart"] == [change["name"] for change in told["changed"]]
        assert {"DATABASE_URL", "ENVIRONMENT", "REGISTRY_URL", "REGISTRY_KEY"} <= set(told["needs_restart"])
        after = there.client.get("/health").json()
        assert [after[name] for name in ("id", "name", "endpoint")] == [
            health[name] for name in ("id", "name", "endpoint")
        ]
        assert there.reload()["needs_restart"] == told["needs_restart"]


def test_one_mistake_refuses_all_of_it_and_every_mistake_is_named(sqlite_place: Place) -> None:
    with house(sqlite_place) as there:
        there.write("RATE_LIMIT_PER_MINUTE=2", "LOG_LEVEL=loud", "TRUSTED_NETWORKS=everybody", "PROT=1")
        details = there.refused()
        assert details["reason"] == "bad-settings"
        named = sorted(mistake.partition(" ")[0] for mistake in details["mistakes"])
        assert named == ["LOG_LEVEL", "PROT", "TRUSTED_NETWORKS"]
        assert quota(there) == EFFECTS["RATE_LIMIT_PER_MINUTE"].before
        there.write("")
        assert there.reload()["changed"] == []


def test_the_environment_stays_stronger_than_the_files(sqlite_place: Place) -> None:
    with house(sqlite_place, {"RATE_LIMIT_PER_MINUTE": "1000"}) as there:
        there.write("RATE_LIMIT_PER_MINUTE=2", "ALLOWED_ORIGINS=https://dashboard.example")
        assert [change["name"] for change in there.reload()["changed"]] == ["ALLOWED_ORIGINS"]
        assert quota(there) == ([200, 200, 200], '"default";q=1000;w=60')


def test_the_config_of_the_contract_is_read_again_and_another_one_on_request(sqlite_place: Place) -> None:
    with house(sqlite_place) as there:
        folder = there.service.place.data_dir
        (folder / "udc_config.json").write_text('{"droplet": {"steward": "Ada"}}')
        (folder / "other.json").write_text('{"droplet": {"steward": "Grace"}}')
        told = there.reload()
        assert (told["config_path"], told["changed"][0]["after"]) == ("udc_config.json", "Ada")
        other = there.reload(config_path="other.json")
        assert (other["config_path"], other["changed"][0]["after"]) == ("other.json", "Grace")


@pytest.mark.parametrize(
    "path", ["../x.json", "/etc/hostname", "/proc/self/environ", "keys", "missing.json", "out.json"]
)
def test_no_file_outside_of_the_folder_is_read(path: str, shared: Service) -> None:
    link = shared.place.data_dir / "out.json"
    if not link.is_symlink():
        link.symlink_to("/etc/hostname")
    with shared.client(shared.headers("admin")) as client:
        answer = client.post("/reload-config", json={"config_path": path})
    assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (422, "config-path-refused")


def test_secrets_stay_out_of_the_answer_and_of_the_log(sqlite_place: Place) -> None:
    with house(sqlite_place) as there:
        there.write("REGISTRY_KEY=hunter2", "DATABASE_URL=postgresql://me:hunter2@db.example/base")
        told = there.reload()
        assert [change["after"] for change in told["changed"]] == ["(hidden)", "(hidden)"]
        there.write("DATABASE_URL=mysql://me:hunter2@db.example/base", "REGISTRY_KEY=hunter2\u00e9")
        details = there.refused()
        assert "hunter2" not in str((told, details))
        there.logged()
        assert not any("hunter2" in line for line in there.service.log)


def test_a_hangup_signal_reads_them_again_and_the_log_tells_the_outcome(sqlite_place: Place) -> None:
    with house(sqlite_place) as there:
        there.write("RATE_LIMIT_PER_MINUTE=2", "PORT=9")
        there.service.tell(signal.SIGHUP)
        line = there.service.wait_for_log("config_reloaded")
        # the command line, which says PORT 0 here, stays stronger
        assert (line["changed"], line["needs_restart"], line["by"]) == (["RATE_LIMIT_PER_MINUTE"], [], None)
        assert quota(there) == EFFECTS["RATE_LIMIT_PER_MINUTE"].after
        there.write("RATE_LIMIT_PER_MINUTE=none")
        there.service.tell(signal.SIGHUP)
        assert there.service.wait_for_log("reload_refused")["reason"] == "bad-settings"
        assert quota(there) == EFFECTS["RATE_LIMIT_PER_MINUTE"].after
        assert there.service.stop() == 0
