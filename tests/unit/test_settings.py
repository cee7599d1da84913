import json
import os
import re
from dataclasses import fields
from datetime import time, timedelta
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from airtable_connector.cli import reference
from airtable_connector.kernel.secret import Secret
from airtable_connector.settings import (
    CONFIG_NOT_USED,
    GROUPS,
    LIVE,
    NOT_USED,
    READERS,
    BadSettings,
    ConfigPathRefused,
    Configuration,
    Settings,
    adopt_live,
    differences,
    load_settings,
    read_settings,
    shown,
)

ROOT = Path(__file__).resolve().parents[2]


def mistakes(environ: dict[str, str] | None = None, **files: str) -> tuple[str, ...]:
    with pytest.raises(BadSettings) as caught:
        read_settings(environ or {}, **files)
    return caught.value.mistakes


def test_without_anything_given_every_setting_has_its_default() -> None:
    settings = read_settings({})
    assert settings.droplet.id == 2
    assert settings.droplet.cost_per_hour == Decimal(0)
    assert settings.store.sqlite_file == Path("data/connector.sqlite3")
    assert settings.store.keys_dir == Path("data/keys")
    assert settings.store.database_url is None
    assert settings.server.port == 8000
    assert settings.server.shutdown_grace == timedelta(seconds=0.5)
    assert settings.edge.trusted_proxies == ()
    assert settings.edge.records_alias is True
    assert settings.identity.jwks_url is None
    assert settings.heartbeats.keep == timedelta(days=7)
    assert settings.digest.at == time(6)
    assert settings.digest.timezone == ZoneInfo("UTC")
    assert set(settings.sources.values()) == {"default"}
    assert settings.not_used == ()


def test_the_table_and_the_groups_name_the_same_fields_once_each() -> None:
    targets = [reader.target for reader in READERS.values()]
    settings = read_settings({})
    in_groups = [f"{group}.{field.name}" for group in GROUPS for field in fields(getattr(settings, group))]
    assert sorted(targets) == sorted(in_groups)
    assert [field.name for field in fields(Settings)] == [*GROUPS, "sources", "not_used"]


@pytest.mark.parametrize("name", READERS)
def test_the_example_of_the_manual_is_accepted(name: str) -> None:
    settings = read_settings({name: READERS[name].example})
    assert settings.sources[name] == "environment"


def test_the_strongest_source_wins_and_is_remembered() -> None:
    config = json.dumps({"droplet": {"id": 4, "name": "from the config", "steward": "from the config"}})
    env_file = "DROPLET_NAME='from the file'\nDROPLET_STEWARD=from the file\nHOST=from-the-file\n"
    environ = {"DROPLET_STEWARD": "from the environment", "HOST": "from-the-environment"}
    settings = read_settings(
        environ, env_file=env_file, udc_config=config, command_line={"HOST": "typed"}, defaults={"PORT": "0"}
    )
    droplet = settings.droplet
    assert (droplet.id, droplet.name, droplet.steward) == (4, "from the file", "from the environment")
    assert (settings.server.host, settings.server.port) == ("typed", 0)
    assert settings.sources["DROPLET_ID"] == "udc_config.json"
    assert settings.sources["DROPLET_NAME"] == ".env"
    assert settings.sources["DROPLET_STEWARD"] == "environment"
    assert settings.sources["HOST"] == "command line"
    assert settings.sources["PORT"] == "default"


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_text_counts_as_not_given(empty: str) -> None:
    settings = read_settings({"PORT": empty}, env_file="PORT=9000\nHOST=\n")
    assert settings.server.port == 9000
    assert settings.server.host == "127.0.0.1"


def test_lists_are_read_without_caring_about_blanks() -> None:
    settings = read_settings(
        {"TRUSTED_PROXIES": "10.0.0.0/8 ,127.0.0.1", "ALLOWED_ORIGINS": "https://A.example/, http://b.example:3000"}
    )
    assert settings.edge.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("127.0.0.1"))
    assert settings.edge.allowed_origins == ("https://a.example", "http://b.example:3000")


@pytest.mark.parametrize(
    "address", ["https://proxy.example/airtable", "http://127.0.0.1:8001", "http://localhost", "http://[::1]:8001"]
)
def test_a_key_of_airtables_travels_encrypted_or_on_this_machine(address: str) -> None:
    assert read_settings({"AIRTABLE_ENDPOINT_URL": address}).cloud.endpoint_url == address


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "eighty"),
        ("PORT", "٨٠"),
        ("DROPLET_ID", "0"),
        ("DROPLET_NAME", "a\nb"),
        ("COST_PER_HOUR", "NaN"),
        ("COST_PER_HOUR", "Infinity"),
        ("HEARTBEAT_HIGH_PERCENT", "101"),
        ("JWKS_REFRESH_SECONDS", "0"),
        ("LOG_LEVEL", "loud"),
        ("RECORDS_ALIAS", "yes"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "https://a.example/path"),
        ("ALLOWED_ORIGINS", "https://*.example"),
        ("DROPLET_URL", "drop2.fullpotential.ai"),
        ("AIRTABLE_ENDPOINT_URL", "http://api.airtable.com"),
        ("AIRTABLE_ENDPOINT_URL", "http://localhost.evil.example"),
        ("AIRTABLE_ENDPOINT_URL", "https://me:key@api.airtable.com"),
        ("AIRTABLE_ENDPOINT_URL", "https://api.airtable.com?x=1"),
        ("JWKS_URL", "file:///etc/passwd"),
        ("JWKS_URL", "https://host.example:99999"),
        ("DIGEST_AT", "25:00"),
        ("DIGEST_AT", "06:00+02:00"),
        ("DIGEST_TIMEZONE", "Mars/Olympus"),
        ("DIGEST_TIMEZONE", "../../etc/passwd"),
        ("DIGEST_TIMEZONE", "America"),
    ],
)
def test_a_wrong_value_is_named_with_its_setting_and_source(name: str, text: str) -> None:
    (mistake,) = mistakes({name: text})
    assert mistake.startswith(f"{name} (environment): {text!r} is not ")
    assert "None" not in mistake


def test_all_mistakes_are_told_at_once() -> None:
    found = mistakes(
        {"PORT": "x"},
        env_file="LOG_LEVEL=loud\nPROT=1\nno equals sign\n",
        udc_config='{"droplet": {"id": "two", "nane": "x"}, "security": {"require_auth": false}}',
    )
    assert len(found) == 7


def test_an_unknown_name_in_a_file_is_refused_with_the_nearest_known_one() -> None:
    assert mistakes(env_file="PROT=1") == ("PROT (.env): is no setting; did you mean 'PORT'?",)
    assert mistakes(udc_config='{"droplet": {"stewart": "x"}}') == (
        "droplet.stewart (udc_config.json): is no setting; did you mean 'droplet.steward'?",
    )


def test_unknown_names_in_the_environment_are_nobodys_business() -> None:
    read_settings({"PROT": "1", "PATH": "/bin"})


def test_identity_cannot_be_switched_off() -> None:
    (mistake,) = mistakes(udc_config='{"security": {"require_auth": false}}')
    assert "identity is never optional" in mistake
    read_settings({}, udc_config='{"security": {"require_auth": true}}')


@pytest.mark.parametrize("config", ["[]", "{", '{"droplet": 3}', "[" * 100_000, ""])
def test_a_config_of_another_shape_is_one_mistake(config: str) -> None:
    (mistake,) = mistakes(udc_config=config)
    assert mistake.startswith("udc_config.json is not a JSON object of objects")


def test_names_of_later_versions_are_accepted_and_reported() -> None:
    assert read_settings({"ORCHESTRATOR_JWT": "ey1"}).not_used == ("ORCHESTRATOR_JWT",)
    assert read_settings({}, env_file="ORCHESTRATOR_JWT=ey1\nREGISTRY_URL=\n").not_used == ("ORCHESTRATOR_JWT",)


def test_the_places_that_the_contract_wants_in_every_config_are_not_reported() -> None:
    config = json.dumps({"registry": {"url": "https://registry.example"}, "droplet": {"version": "9.9.9", "id": None}})
    assert read_settings({}, udc_config=config).not_used == ()


def test_a_secret_is_shown_nowhere() -> None:
    settings = read_settings({"DATABASE_URL": "postgresql://me:hunter2@db/base"})
    assert settings.store.database_url == Secret("postgresql://me:hunter2@db/base")
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(list(shown(settings)))
    assert "hunter2" not in str(mistakes({"DATABASE_URL": "mysql://me:hunter2@db/base"}))
    assert "hunter2" not in str(mistakes(env_file="DATABASE_URL = 'hunter2"))


def test_an_address_with_a_password_is_refused_where_addresses_are_shown() -> None:
    mistakes({"JWKS_URL": "https://me:hunter2@host.example/keys"})


def test_the_files_of_the_folder_are_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("\ufeffDROPLET_NAME=Zoë\n", encoding="utf-8")
    (tmp_path / "udc_config.json").write_text('{"droplet": {"steward": "Ada"}}')
    settings = load_settings(tmp_path)
    assert (settings.droplet.name, settings.droplet.steward) == ("Zoë", "Ada")


def test_a_folder_without_files_is_no_trouble(tmp_path: Path) -> None:
    assert load_settings(tmp_path).droplet.id == 2


def test_a_file_that_is_no_text_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadSettings, match=r"\.env cannot be read"):
        load_settings(tmp_path)


def test_a_file_without_end_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(BadSettings, match=r"\.env is longer"):
        load_settings(tmp_path)


def test_a_list_of_networks_is_checked_with_everything_else() -> None:
    found = mistakes({"TRUSTED_NETWORKS": "10.0.0.0/8 = 5: admin", "PORT": "x"})
    assert len(found) == 2
    assert "admin is never granted to a network" in str(found)


@pytest.mark.parametrize("asked", ["udc_config.json", "./udc_config.json", "inner/other.json", "linked.json", "{here}"])
def test_a_config_in_the_folder_may_be_named(asked: str, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    for name in ("udc_config.json", "inner/other.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "linked.json").symlink_to("inner/other.json")
    found = Configuration(tmp_path).find(asked.format(here=tmp_path / "udc_config.json"))
    assert found == ("inner/other.json" if "other" in asked or "linked" in asked else "udc_config.json")


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "missing.json",
        "../outside.json",
        "inner/../udc_config.json",
        "{outside}",
        "leads-out.json",
        "folder-out/outside.json",
        "in-a-circle.json",
        ".env",
        "notes.txt",
        "folder.json",
        "pipe.json",
        "udc_config.json/x.json",
        "x" * 501 + ".json",
        "a\x00.json",
        "\ud800.json",
    ],
)
def test_no_other_file_may_be_named(asked: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder, foreign = tmp_path_factory.mktemp("ours"), tmp_path_factory.mktemp("foreign")
    outside = foreign / "outside.json"
    for file in (outside, folder / "udc_config.json", folder / "notes.txt", folder / ".env"):
        file.write_text("{}")
    (folder.parent / "outside.json").write_text("{}")
    (folder / "folder.json").mkdir()
    (folder / "leads-out.json").symlink_to(outside)
    (folder / "folder-out").symlink_to(foreign)
    (folder / "in-a-circle.json").symlink_to("in-a-circle.json")
    os.mkfifo(folder / "pipe.json")
    with pytest.raises(ConfigPathRefused) as refused:
        Configuration(folder).find(asked.format(outside=outside))
    assert str(folder) not in refused.value.message
    assert str(foreign) not in refused.value.message


def test_only_live_settings_are_taken_over() -> None:
    running = read_settings({})
    read = read_settings({name: reader.example for name, reader in READERS.items()})
    adopted = adopt_live(running, read)
    left = {each.name for each in differences(adopted, read)}
    taken = {each.name for each in differences(running, adopted)}
    assert taken <= LIVE
    assert left & LIVE == set()
    assert taken | left == {each.name for each in differences(running, read)}
    assert {name for name, source in adopted.sources.items() if source == "environment"} == LIVE


def test_differences_show_no_secret() -> None:
    one, other = (read_settings({"DATABASE_URL": f"postgresql://me:{word}@db/base"}) for word in ("hush", "hushhush"))
    (found,) = differences(one, other)
    assert (found.name, found.before, found.after) == ("DATABASE_URL", "(hidden)", "(hidden)")


def test_the_projects_own_config_is_accepted_and_names_every_place() -> None:
    text = (ROOT / "udc_config.json").read_text()
    read_settings({}, udc_config=text)
    places = {f"{section}.{entry}" for section, entries in json.loads(text).items() for entry in entries}
    known = {reader.in_config for reader in READERS.values() if reader.in_config}
    assert places == known | CONFIG_NOT_USED.keys() | {"security.require_auth"}


def test_the_example_file_is_what_the_table_says_and_changes_nothing() -> None:
    text = (ROOT / ".env.example").read_text()
    assert text == reference.env_file()
    assert set(read_settings({}, env_file=text).sources.values()) == {"default"}


def test_the_example_file_with_every_line_taken_in_is_accepted() -> None:
    text = re.sub(r"^#(?=[A-Z])", "", reference.env_file(), flags=re.MULTILINE)
    settings = read_settings({}, env_file=text)
    assert set(settings.sources.values()) == {".env"}


def test_the_manual_has_the_tables_of_the_settings_and_no_other() -> None:
    manual = (ROOT / "docs" / "configuration.md").read_text()
    assert manual.endswith(reference.markdown())
    named = set(re.findall(r"^\| `([A-Z_]+)`", manual, re.MULTILINE))
    assert named == READERS.keys() | NOT_USED.keys()
