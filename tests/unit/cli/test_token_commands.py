"""What ``token create``, ``list`` and ``revoke`` take and print; tests/acceptance shows what the tokens open."""

import re
from pathlib import Path

import pytest

from airtable_connector.cli import main
from airtable_connector.settings import NOT_USED, READERS
from airtable_connector.web.airtable_api import DERIVED_ID

READ = ["--scopes", "data.records:read", "--base", DERIVED_ID]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without files, and an environment without our names."""
    for name in [*READERS, *NOT_USED]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def created(capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert main(["token", "create", *READ, *more]) == 0
    return capsys.readouterr().out.strip()


def test_a_key_is_printed_alone_and_has_the_shape_of_airtables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "create", *READ]) == 0
    printed = capsys.readouterr()
    assert re.fullmatch(r"pat[0-9A-Za-z]{14}\.[0-9a-f]{64}\n", printed.out)
    assert f"made {printed.out[:17]}, valid until" in printed.err
    assert printed.out.strip() not in printed.err


def test_the_list_shows_the_oldest_first_and_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    keys = [created(capsys, "--name", name, "--days", "1") for name in ("n8n", "Zapier, two")]
    assert main(["token", "list"]) == 0
    printed = capsys.readouterr().out
    lines = [line.split("\t") for line in printed.splitlines()]
    assert [(line[0], line[1], line[2], line[8]) for line in lines] == [
        (keys[0][:17], "valid", "2", "n8n"),
        (keys[1][:17], "valid", "2", "Zapier, two"),
    ]
    assert not any(key[18:] in printed for key in keys)


def test_a_revoked_token_stays_in_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    token_id = created(capsys)[:17]
    for _ in range(2):
        assert main(["token", "revoke", token_id]) == 0
        assert f"{token_id} is revoked since 2" in capsys.readouterr().err
    main(["token", "list"])
    assert capsys.readouterr().out.split("\t")[:2] == [token_id, "revoked"]
    assert main(["token", "revoke", "pat" + "0" * 14]) == 1
    assert "no access token of this id" in capsys.readouterr().err


def test_a_whole_key_is_not_taken_for_an_id_nor_shown(capsys: pytest.CaptureFixture[str]) -> None:
    key = created(capsys)
    assert main(["token", "revoke", key]) == 2
    printed = capsys.readouterr()
    assert "before the dot" in printed.err
    assert key[18:] not in printed.err + printed.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "--scopes", "data.records:read,all", "--base", DERIVED_ID], "'all' is no scope; known: data.rec"),
        (["create", "--scopes", ",", "--base", DERIVED_ID], "no scope is given"),
        (["create", "--scopes", "data.records:read", "--base", "tblAAAAAAAAAAAAAA"], "app and 14 letters or digits"),
        (["create", *READ, "--name", "two\nlines"], "100 printable characters"),
        (["create", *READ, "--name", "x" * 101], "100 printable characters"),
        (["create", *READ, "--days", "0"], "--days"),
        (["create", "--scopes", "data.records:read", "--base", DERIVED_ID, "--base", "all"], "or 'all' alone"),
        (["create", "--base", DERIVED_ID], "--scopes"),
        (["--data-dir", "elsewhere", "list"], "put the options behind 'list'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    assert main(["token", *arguments]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert list(empty_folder.iterdir()) == []


def test_looking_makes_no_store(capsys: pytest.CaptureFixture[str], empty_folder: Path) -> None:
    for arguments in (["list"], ["revoke", "pat" + "0" * 14]):
        assert main(["token", *arguments]) == 1
        assert "there is no store yet" in capsys.readouterr().err
    assert list(empty_folder.iterdir()) == []


def test_another_base_than_the_services_is_pointed_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "create", "--scopes", "data.records:read", "--base", "appBBBBBBBBBBBBBB"]) == 0
    assert f"the base of this service is {DERIVED_ID}" in capsys.readouterr().err


def test_a_token_may_open_several_bases_or_all(capsys: pytest.CaptureFixture[str]) -> None:
    unknown = "appBBBBBBBBBBBBBB"
    create = ["token", "create", "--scopes", "data.records:read"]
    assert main([*create, "--base", DERIVED_ID, "--base", unknown]) == 0
    assert main([*create, "--base", "all"]) == 0
    assert capsys.readouterr().err.count("is no base here") == 1
    assert main(["token", "list"]) == 0
    listed = [line.split("\t")[3] for line in capsys.readouterr().out.splitlines()]
    assert sorted(listed) == ["all", f"{unknown},{DERIVED_ID}"]
