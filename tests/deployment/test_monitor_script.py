"""``monitor.sh`` against services that answer over real sockets as they are told to."""

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from tests.deployment.scripts import ROOT, SECRET, Host, Ran
from werkzeug import Request, Response

MONITOR = ROOT / "monitor.sh"
WELL = {"id": 2, "status": "active", "proof": "ab"}


@pytest.fixture
def host(host: Host) -> Host:
    host.add_real("curl")
    return host


@pytest.fixture
def service() -> Iterator[HTTPServer]:
    with HTTPServer() as server:
        yield server


def look(host: Host, service: HTTPServer, *more: str) -> Ran:
    return host.run(MONITOR, "--url", service.url_for("/"), "--disk-percent", "101", *more)


def words(ran: Ran) -> list[str]:
    """Return verdict and subject of each line."""
    return [" ".join(line.split()[:2]) for line in ran.output.splitlines()]


def test_a_service_that_is_well_is_one_line_per_check(host: Host, service: HTTPServer) -> None:
    service.expect_request("/health").respond_with_json(WELL)
    ran = look(host, service)
    assert (ran.code, words(ran)) == (0, ["ok health", "ok disk"])


@pytest.mark.parametrize("body", [{"status": "inactive"}, {"status": "error"}, {"alive": True}])
def test_another_status_is_a_failure_and_no_reason_to_restart(
    body: dict[str, object], host: Host, service: HTTPServer
) -> None:
    host.add("systemctl", "")
    service.expect_request("/health").respond_with_json(body)
    ran = look(host, service, "--restart", "systemd")
    assert (ran.code, words(ran), host.calls()) == (1, ["FAIL health", "ok disk"], [])


def test_state_is_asked_with_the_token_which_nobody_sees(host: Host, service: HTTPServer, tmp_path: Path) -> None:
    given = []

    def state(request: Request) -> Response:
        given.append(request.headers.get("authorization"))
        return Response('{"status": "success", "data": {"cpu_percent": 96.5, "memory_mb": 88.25}}')

    service.expect_request("/health").respond_with_json(WELL)
    service.expect_request("/state").respond_with_handler(state)
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    ran = look(host, service, "--token-file", str(file))
    assert given == [f"Bearer {SECRET}"]
    assert (ran.code, words(ran)) == (1, ["ok health", "ok memory", "FAIL cpu", "ok disk"])
    assert look(host, service, "--token-file", str(file), "--cpu-percent", "97").code == 0
    assert "FAIL memory" in words(look(host, service, "--token-file", str(file), "--memory-mb", "88"))


def test_a_refused_token_and_missing_numbers_are_told(host: Host, service: HTTPServer, tmp_path: Path) -> None:
    service.expect_request("/health").respond_with_json(WELL)
    service.expect_oneshot_request("/state").respond_with_json({"status": "error"}, status=401)
    service.expect_request("/state").respond_with_json({"uptime_seconds": 1})
    file = tmp_path / "token"
    file.write_text(SECRET)
    assert words(look(host, service, "--token-file", str(file))) == ["ok health", "FAIL state", "ok disk"]
    ran = look(host, service, "--token-file", str(file))
    assert words(ran) == ["ok health", "FAIL memory", "FAIL cpu", "ok disk"]


def test_a_full_disk_is_a_failure(host: Host, service: HTTPServer) -> None:
    service.expect_request("/health").respond_with_json(WELL)
    ran = host.run(MONITOR, "--url", service.url_for("/"), "--disk-percent", "1")
    assert (ran.code, words(ran)) == (1, ["ok health", "FAIL disk"])


def test_silence_is_a_failure_and_restarts_only_what_was_named(host: Host, service: HTTPServer) -> None:
    host.add("systemctl", 'touch "$STATE/restarted"')
    host.add("docker", 'touch "$STATE/restarted"')
    # silent until it was restarted: before that, the programs' folder has no such file
    service.expect_request("/health").respond_with_handler(
        lambda _request: Response('{"status": "active"}', status=200 if (host.state / "restarted").exists() else 502)
    )
    assert (words(look(host, service)), host.calls()) == (["FAIL health", "ok disk"], [])
    ran = look(host, service, "--restart", "systemd")
    assert (ran.code, words(ran)) == (1, ["FAIL health", "ok disk", "ok restart"])
    (host.state / "restarted").unlink()
    look(host, service, "--restart", "compose")
    assert host.calls()[0] == "systemctl restart airtable-server.service"
    assert host.calls()[1].endswith("restart connector")


def test_a_refusal_is_a_failure_and_no_silence(host: Host, service: HTTPServer) -> None:
    host.add("systemctl", "")
    service.expect_request("/health").respond_with_json({"status": "error"}, status=403)
    ran = look(host, service, "--restart", "systemd")
    assert (words(ran), host.calls()) == (["FAIL health", "ok disk"], [])
    assert "HTTP status 403" in ran.output


def test_nobody_there_is_silence(host: Host, service: HTTPServer) -> None:
    host.add("systemctl", "exit 1")
    service.stop()
    ran = look(host, service, "--restart", "systemd")
    assert words(ran) == ["FAIL health", "ok disk", "FAIL restart"]
    assert "HTTP status 000" in ran.output


def test_a_restart_that_fails_is_told(host: Host, service: HTTPServer) -> None:
    host.add("systemctl", "exit 1")
    ran = look(host, service, "--restart", "systemd")
    assert words(ran) == ["FAIL health", "ok disk", "FAIL restart"]


def self_signed(folder: Path, days: int) -> tuple[Path, Path]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", str(days), "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return certificate, key


@pytest.mark.parametrize(("days", "verdict"), [(30, "ok certificate"), (10, "FAIL certificate")])
def test_a_certificate_is_looked_at_before_it_ends(days: int, verdict: str, host: Host, tmp_path: Path) -> None:
    for name in ("openssl", "timeout"):
        host.add_real(name)
    certificate, key = self_signed(tmp_path, days)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    host.environment["CURL_CA_BUNDLE"] = str(certificate)
    with HTTPServer(host="localhost", ssl_context=context) as service:
        service.expect_request("/health").respond_with_json(WELL)
        assert words(look(host, service)) == ["ok health", "ok disk", verdict]


def test_it_looks_again_and_again_until_it_is_stopped(host: Host, service: HTTPServer) -> None:
    service.expect_request("/health").respond_with_json(WELL)
    watching = subprocess.Popen(
        [MONITOR, "--url", service.url_for("/"), "--watch", "1", "--disk-percent", "101"],
        env={"PATH": str(host.programs)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    with watching.stdout as output:
        lines = [output.readline() for _ in range(6)]
        watching.terminate()
    assert watching.wait(20) != 0
    assert [line.split()[0] for line in lines if line[0] != "2"] == ["ok"] * 4


@pytest.mark.parametrize(
    "wrong", [("--url", "localhost"), ("--watch", "0"), ("--restart", "kill"), ("--token-file", "/none"), ("--disk",)]
)
def test_what_was_asked_wrongly_is_refused(wrong: tuple[str, ...], host: Host) -> None:
    ran = host.run(MONITOR, *wrong)
    assert ran.code == 2
    assert wrong[0] in ran.output or wrong[-1] in ran.output


def test_a_missing_curl_is_named(host: Host) -> None:
    (host.programs / "curl").unlink()
    ran = host.run(MONITOR)
    assert (ran.code, "curl is not installed" in ran.output) == (2, True)
