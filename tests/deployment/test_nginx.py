"""The proxy example, in front of a real service where the machine has nginx."""

import grp
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from tests.deployment.scripts import ROOT
from tests.service import Place, eventually, running

from airtable_connector.settings import read_settings
from airtable_connector.web.airtable_api.uploading import LONGEST_BODY

EXAMPLE = ROOT / "deploy" / "nginx.conf"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port: int = free.getsockname()[1]
        return port


def moved(folder: Path, *, service: str, plain: int, secure: int) -> Path:
    """Write the example with other ports, names and certificate, inside the frame that a system gives it."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "certificate.pem"],
        cwd=folder, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    text = EXAMPLE.read_text().replace("server 127.0.0.1:8000;", f"server {service};")
    text = re.sub(r"\n    listen \[::\].*", "", text)
    text = text.replace("listen 80;", f"listen 127.0.0.1:{plain};")
    text = text.replace("listen 443 ", f"listen 127.0.0.1:{secure} ")
    text = re.sub(r"/etc/letsencrypt/\S+/fullchain.pem", str(folder / "certificate.pem"), text)
    text = re.sub(r"/etc/letsencrypt/\S+/privkey.pem", str(folder / "key.pem"), text)
    paths = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = folder / "nginx.conf"
    file.write_text(
        # as we are, so that it may write long bodies into our folder
        f"user {pwd.getpwuid(os.geteuid()).pw_name} {grp.getgrgid(os.getegid()).gr_name}; "
        f"pid {folder}/pid; error_log {folder}/error.log; events {{}} "
        f"http {{ access_log off; {paths}\n{text.replace('drop2.fullpotential.ai', 'localhost')}\n}}\n"
    )
    return file


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[tuple[httpx2.Client, int]]:
    """A service in production behind a proxy: a client of the proxy that may write, and the proxy's plain port."""
    if NGINX is None:
        pytest.skip("this machine has no nginx")
    plain, secure = free_port(), free_port()
    settings = {"ENVIRONMENT": "production", "TRUSTED_PROXIES": "127.0.0.1/32"}
    with running(Place(tmp_path / "data"), settings) as service:
        conf = moved(tmp_path, service=service.address.removeprefix("http://"), plain=plain, secure=secure)
        tested = subprocess.run([NGINX, "-t", "-c", conf], capture_output=True, text=True, timeout=60, check=False)
        assert tested.returncode == 0, tested.stderr
        proxy = subprocess.Popen([NGINX, "-c", conf, "-g", "daemon off;"], stderr=subprocess.DEVNULL)
        try:
            with httpx2.Client(
                base_url=f"https://localhost:{secure}",
                headers=service.headers(),
                verify=False,  # its certificate was made for this test
                trust_env=False,
                timeout=20,
            ) as client:
                eventually(lambda: answers(client))
                yield client, plain
        finally:
            proxy.send_signal(signal.SIGTERM)
            proxy.wait(20)


def answers(client: httpx2.Client) -> bool:
    try:
        return client.get("/health").status_code == 200
    except httpx2.TransportError:
        return False


def test_the_proxy_takes_what_the_service_takes() -> None:
    limit = re.search(r"client_max_body_size (\d+);", EXAMPLE.read_text())
    assert limit is not None
    assert int(limit[1]) == max(read_settings({}).edge.bulk_body_limit_bytes, LONGEST_BODY)


def test_callers_come_through_over_https_and_only_so(proxied: tuple[httpx2.Client, int]) -> None:
    client, plain = proxied
    made = client.post("/sprints", json={"Sprint_ID": "through"})
    assert made.status_code == 201, made.text
    assert "strict-transport-security" in made.headers
    sent_on = httpx2.get(f"http://127.0.0.1:{plain}/sprints?a=b", headers={"Host": "localhost"}, trust_env=False)
    assert (sent_on.status_code, sent_on.headers["location"]) == (308, "https://localhost/sprints?a=b")


def test_events_come_at_once(proxied: tuple[httpx2.Client, int]) -> None:
    client, _ = proxied
    with client.stream("GET", "/events") as stream:
        lines = stream.iter_lines()
        next(lines)  # it has begun
        assert client.post("/sprints", json={"Sprint_ID": "live"}).status_code == 201
        assert "live" in next(line for line in lines if line.startswith("data: ") and "live" in line)


def test_a_body_over_the_limit_is_refused(proxied: tuple[httpx2.Client, int]) -> None:
    client, _ = proxied
    assert client.post("/sprints", content=b"x" * 8_388_609).status_code == 413
    # what the service takes nowhere but as an attachment comes through, and is refused in its own form
    refused = client.post("/sprints", content=b"x" * 5_242_881)
    assert (refused.status_code, refused.json()["error"]["details"]["reason"]) == (413, "body-too-large")
