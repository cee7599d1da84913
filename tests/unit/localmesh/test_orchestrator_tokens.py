"""Mesh contract 2.1: which tokens the Orchestrator takes."""

import pytest
from tests.fakes import FakeClock
from tests.unit.localmesh.harness import Keys, OrchestratorPeer

from airtable_connector.mesh import create_key_pair

pytestmark = pytest.mark.anyio

REFUSED = {"detail": "Could not validate credentials"}


@pytest.fixture
def peer(keys: Keys, clock: FakeClock) -> OrchestratorPeer:
    return OrchestratorPeer(keys, clock)


@pytest.mark.parametrize(
    "claims",
    [
        {"droplet_id": 2},  # no exp, no iat, no permissions
        {"permissions": ["read"]},  # no droplet_id
        {"droplet_id": 2, "iss": "anybody"},
        {"droplet_id": 2, "sub": "2"},
    ],
)
async def test_a_token_of_the_shared_key_is_taken_whatever_else_it_lacks(
    peer: OrchestratorPeer, claims: dict[str, object]
) -> None:
    assert (await peer.get("/droplets", headers=peer.bearing(claims))).status_code == 200


async def test_a_token_from_the_future_is_taken_and_the_scheme_may_be_written_in_any_case(
    peer: OrchestratorPeer,
) -> None:
    token = peer.bearing({"droplet_id": 2, "iat": peer.seconds(3600), "exp": peer.seconds(7200)})["Authorization"]
    headers = {"Authorization": token.replace("Bearer", "bEARER")}
    assert (await peer.get("/droplets", headers=headers)).status_code == 200


async def test_a_token_with_an_audience_is_refused(peer: OrchestratorPeer) -> None:
    reply = await peer.get("/droplets", headers=peer.bearing({"droplet_id": 2, "aud": "fullpotential.droplets"}))
    assert (reply.status_code, reply.json(), reply.headers["www-authenticate"]) == (401, REFUSED, "Bearer")


@pytest.mark.parametrize(("claim", "after", "status"), [("exp", -1, 401), ("exp", 1, 200), ("nbf", 1, 401)])
async def test_times_are_judged_to_the_second(peer: OrchestratorPeer, claim: str, after: float, status: int) -> None:
    headers = peer.bearing({"droplet_id": 2, claim: peer.seconds(after)})
    assert (await peer.get("/droplets", headers=headers)).status_code == status


async def test_a_token_of_another_key_or_algorithm_or_with_a_number_for_a_subject_is_refused(
    peer: OrchestratorPeer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = create_key_pair(tmp_path_factory.mktemp("stranger")).private_pem.reveal()
    for headers in (
        peer.bearing({"droplet_id": 2}, key=stranger),
        peer.bearing({"droplet_id": 2}, algorithm="HS256", key="a shared secret of enough length, 32 bytes"),
        peer.bearing({"droplet_id": 2, "sub": 2}),
        {"Authorization": "Bearer no.token.at-all"},
    ):
        reply = await peer.get("/droplets", headers=headers)
        assert (reply.status_code, reply.json()) == (401, REFUSED)


@pytest.mark.parametrize("value", ["", "Basic Zm9vOmJhcg=="])
async def test_without_a_bearer_token_nobody_is_authenticated(peer: OrchestratorPeer, value: str) -> None:
    reply = await peer.get("/droplets", headers={"Authorization": value})
    assert (reply.status_code, reply.json()) == (401, {"detail": "Not authenticated"})


async def test_a_droplet_id_as_text_may_read_but_not_beat(peer: OrchestratorPeer) -> None:
    await peer.register(2)
    headers = peer.as_droplet("2")
    assert (await peer.get("/droplets", headers=headers)).status_code == 200
    assert (await peer.post("/droplets/2/heartbeat", {"status": "active"}, headers=headers)).status_code == 403


async def test_it_issues_no_tokens(peer: OrchestratorPeer) -> None:
    assert (await peer.post("/auth/token")).status_code == 404
