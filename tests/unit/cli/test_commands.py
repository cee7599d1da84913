import stat
import subprocess
import sys
import sysconfig
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest

import airtable_connector
from airtable_connector.cli import main
from airtable_connector.mesh import (
    ExpiredToken,
    KeyRing,
    Permission,
    TokenVerifier,
    load_key_pair,
    public_half,
    read_private_key,
)
from airtable_connector.settings import NOT_USED, READERS

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without files, and an environment without our names."""
    for name in [*READERS, *NOT_USED]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def own_verifier(folder: Path) -> TokenVerifier:
    return TokenVerifier(KeyRing([load_key_pair(folder / "data" / "keys").trusted()]))


def test_version_prints_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"{airtable_connector.__version__}\n"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(
        f"  {command} " in shown for command in ("serve", "demo", "token", "keys", "settings", "version", "doctor")
    )


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    code = "import sys, airtable_connector.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    heavy = {"apsw", "asyncpg", "cryptography", "fastapi", "httpx2", "jwt", "prometheus_client", "psutil", "pydantic"}
    heavy |= {"rich", "starlette", "structlog", "uvicorn"}
    assert set(loaded.stdout.split()) & heavy == set()


def test_main_py_needs_only_the_requirements(empty_folder: Path) -> None:
    shown = subprocess.run(
        # -S: installed packages are found, but not the line among them that points at this project
        [sys.executable, "-S", str(ROOT / "main.py"), "--help"],
        check=True, capture_output=True, text=True, timeout=60, cwd=empty_folder,
        env={"PYTHONPATH": sysconfig.get_path("purelib")},
    )  # fmt: skip
    assert "airtable-connector serve [OPTIONS]" in shown.stdout


def test_a_token_is_printed_alone_and_believed_by_a_service_with_the_same_keys(
    empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["token", "--id", "5", "--permissions", "read, write", "--steward", "Ada"]) == 0
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 1
    assert "made a key pair" in printed.err

    identity = own_verifier(empty_folder).verify(printed.out.strip(), at=datetime.now(UTC))
    assert (identity.droplet, identity.steward) == (5, "Ada")
    assert identity.permissions == {Permission.READ, Permission.WRITE}


def test_a_second_token_uses_the_keys_of_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    main(["token", "--id", "5"])
    capsys.readouterr()
    assert main(["token", "--id", "10"]) == 0
    assert capsys.readouterr().err == ""


def test_a_token_lasts_as_long_as_asked(empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["token", "--id", "5", "--hours", "0.5"])
    text, verifier, now = capsys.readouterr().out.strip(), own_verifier(empty_folder), datetime.now(UTC)
    verifier.verify(text, at=now + timedelta(minutes=29))
    with pytest.raises(ExpiredToken):
        verifier.verify(text, at=now + timedelta(minutes=32))


def test_a_token_for_the_orchestrator_is_ours_and_has_neither_issuer_nor_audience(
    empty_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["keys", "--shared", "mesh"])
    capsys.readouterr()
    monkeypatch.setenv("ORCHESTRATOR_PRIVATE_KEY_FILE", "mesh/private_key.pem")
    assert main(["token", "--for", "orchestrator", "--permissions", "read,write"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    public = (empty_folder / "mesh" / "public_key.pem").read_bytes()
    claims = jwt.decode(printed.out.strip(), public, algorithms=["RS256"])
    assert claims.keys() == {"droplet_id", "steward", "permissions", "iat", "exp"}
    assert (claims["droplet_id"], claims["permissions"]) == (2, ["read", "write"])
    assert claims["exp"] - claims["iat"] == 24 * 3600


def test_a_token_for_the_orchestrator_needs_the_shared_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["token", "--for", "orchestrator"]) == 2
    assert "ORCHESTRATOR_PRIVATE_KEY_FILE is not set" in capsys.readouterr().err
    monkeypatch.setenv("ORCHESTRATOR_PRIVATE_KEY_FILE", "nowhere.pem")
    assert main(["token", "--for", "orchestrator"]) == 1
    printed = capsys.readouterr()
    assert (printed.out, "nowhere.pem" in printed.err) == ("", True)


def test_a_shared_pair_is_made_once_its_private_half_for_its_owner_only(
    empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "--shared", "mesh"]) == 0
    assert capsys.readouterr().out.split() == ["mesh/private_key.pem", "mesh/public_key.pem"]
    private, public = (empty_folder / "mesh" / name for name in ("private_key.pem", "public_key.pem"))
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert public_half(read_private_key(private)) == public.read_bytes()

    before = private.read_bytes()
    assert main(["keys", "--shared", "mesh"]) == 1
    assert private.read_bytes() == before
    private.unlink()
    assert main(["keys", "--shared", "mesh"]) == 1
    assert not private.exists()  # a new half beside the old public one would fit nobody


def test_a_shared_pair_is_never_replaced(empty_folder: Path) -> None:
    assert main(["keys", "--shared", "mesh", "--replace"]) == 2
    assert not (empty_folder / "mesh").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--id", "5", "--permissions", "read,wrote"],
        ["--id", "5", "--permissions", ""],
        ["--id", "0"],
        ["--id", "five"],
        ["--id", "99999999999"],
        ["--id", "5", "--hours", "0"],
        ["--id", "5", "--hours", "nan"],
        ["--id", "5", "--hours", "1e9"],
        [],
    ],
)
def test_a_token_that_cannot_be_is_refused_and_nothing_printed(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["token", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err


def test_keys_are_made_once_and_replaced_only_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys"]) == 0
    first = capsys.readouterr().out
    assert main(["keys"]) == 1
    assert capsys.readouterr().out == ""
    assert main(["keys", "--replace"]) == 0
    assert capsys.readouterr().out not in {"", first}


def test_settings_show_where_each_value_came_from_and_hide_secrets(
    empty_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_folder / ".env").write_text("PORT=9000\nAIRTABLE_API_KEY=pat.hunter2\nORCHESTRATOR_JWT=ey.hunter2\n")
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hunter2@db/base")
    assert main(["settings"]) == 0
    printed = capsys.readouterr()
    lines = {line.split()[0]: line.split()[1:] for line in printed.out.splitlines()}
    assert lines.keys() == READERS.keys()
    assert lines["PORT"] == ["9000", ".env"]
    assert lines["DATABASE_URL"] == ["(hidden)", "environment"]
    assert lines["AIRTABLE_API_KEY"] == ["(hidden)", ".env"]
    assert printed.err == "known, but not used by this version: ORCHESTRATOR_JWT\n"
    assert "hunter2" not in printed.out + printed.err


def test_wrong_settings_end_the_command_with_all_of_them_and_no_traceback(
    empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (empty_folder / ".env").write_text("PROT=1\nLOG_LEVEL=loud\n")
    assert main(["keys"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "did you mean 'PORT'?" in printed.err
    assert "'loud' is not one of" in printed.err
    assert "Traceback" not in printed.err


def test_an_unknown_command_is_asked_wrongly(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["surf"]) == 2
    assert "surf" in capsys.readouterr().err
