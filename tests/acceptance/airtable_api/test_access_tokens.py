"""Long-lived opaque tokens: made, listed and revoked on the command line while the service serves."""

import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
import requests
from pyairtable import Api
from tests.acceptance.airtable_api.conftest import ELSEWHERE, EXPIRED, Wire, wait_for_tokens
from tests.service import COMMAND, Service, changes, environment, eventually

from airtable_connector.records import stable_id
from airtable_connector.web.airtable_api import DERIVED_ID, Scope


def command(service: Service, *arguments: str) -> str:
    done = subprocess.run(
        [*COMMAND, "token", *arguments],
        cwd=service.place.data_dir, env=environment(service.place.settings),
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.stdout.rstrip("\n")


def listed(service: Service, token_id: str) -> list[str]:
    (line,) = [line for line in command(service, "list").splitlines() if line.startswith(token_id)]
    return line.split("\t")


def client_of(service: Service, key: str) -> Api:
    api = Api(key, endpoint_url=service.address, timeout=(20, 20))
    api.session.trust_env = False
    return api


def test_a_token_is_made_used_seen_in_the_list_revoked_and_refused(served: Service, wire: Wire) -> None:
    scopes = f"{Scope.READ_RECORDS},{Scope.WRITE_RECORDS}"
    key = command(served, "create", "--scopes", scopes, "--base", DERIVED_ID, "--name", "n8n", "--droplet", "7")
    token_id = key.partition(".")[0]
    assert (len(key), len(token_id)) == (82, 17)
    assert listed(served, token_id)[1:4] + listed(served, token_id)[6:] == [
        "valid", "7", DERIVED_ID, "never", scopes, "n8n",
    ]  # fmt: skip
    wait_for_tokens(served)
    api = client_of(served, key)
    record = api.table(DERIVED_ID, "Droplets").create({"name": wire.some_name()})
    assert api.table(DERIVED_ID, "Droplets").get(record["id"]) == record
    assert api.whoami() == {"id": stable_id("usr", "7"), "scopes": scopes.split(",")}
    with pytest.raises(requests.HTTPError, match="INVALID_PERMISSIONS"):
        api.bases()
    eventually(lambda: listed(served, token_id)[6] != "never")
    assert datetime.now(UTC) - datetime.fromisoformat(listed(served, token_id)[6]) < timedelta(minutes=1)

    command(served, "revoke", token_id)
    wait_for_tokens(served)
    with pytest.raises(requests.HTTPError, match="AUTHENTICATION_REQUIRED"):
        api.table(DERIVED_ID, "Droplets").get(record["id"])
    api.session.close()
    assert listed(served, token_id)[1] == "revoked"
    assert key.partition(".")[2] not in "".join(served.log)


def test_what_it_writes_is_the_work_of_the_droplet_that_it_acts_as(
    served: Service, wire: Wire, keys: Mapping[str, str]
) -> None:
    with served.client({"Authorization": f"Bearer {keys[Scope.WRITE_RECORDS]}"}) as client:
        record = Wire(client).create("Droplets", {"name": wire.some_name()})
    assert {change["actor"] for change in changes(wire.client) if change["record"] == record["id"]} == {7}


@pytest.mark.parametrize("path", ["/sprints", "/state", "/send"])
def test_it_opens_nothing_else(path: str, served: Service, keys: Mapping[str, str]) -> None:
    with served.client({"Authorization": f"Bearer {keys[Scope.READ_RECORDS]}"}) as client:
        answer = client.get(path)
    assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (401, "access-token-elsewhere")
    assert "below /v0/ only" in answer.headers["www-authenticate"]


def test_one_of_another_base_finds_none_here(served: Service, keys: Mapping[str, str]) -> None:
    with served.client({"Authorization": f"Bearer {keys[ELSEWHERE]}"}) as client:
        wire = Wire(client)
        refused = (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")
        assert wire.refused("GET", wire.path("Sprints"))[:2] == refused
        assert wire.refused("GET", f"/v0/meta/bases/{wire.base}/tables")[:2] == refused
        assert wire.refused("GET", "/v0/appBBBBBBBBBBBBBB/Sprints")[:2] == refused
        assert wire.ask("GET", "/v0/meta/bases") == (200, {"bases": []})


def test_one_whose_time_is_over_is_refused_and_told_why(served: Service, keys: Mapping[str, str]) -> None:
    with served.client({"Authorization": f"Bearer {keys[EXPIRED]}"}) as client:
        answer = client.get("/v0/meta/whoami")
        assert answer.json()["error"] == {"type": "AUTHENTICATION_REQUIRED", "message": "Authentication required"}
    assert "the access token expired at" in answer.headers["www-authenticate"]


def test_one_that_nobody_made_is_refused(unknown: Wire) -> None:
    for key in ("pat", "pat" + "0" * 14 + "." + "0" * 64, "patient"):
        answer = unknown.client.get("/v0/meta/whoami", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 401
