"""What the operator decides: the base's id, its pace, and the pages that may call."""

from pathlib import Path

from tests.acceptance.airtable_api.conftest import Wire
from tests.service import Place, running

CHOSEN = "appChosenByHand00"
ORIGIN = "https://pages.example"
SETTINGS = {
    "BASE_ID": CHOSEN,
    "AIRTABLE_API_REQUESTS_PER_SECOND": "5",
    "AIRTABLE_API_LOCKOUT_SECONDS": "3600",
    "ALLOWED_ORIGINS": ORIGIN,
}


def test_the_base_has_the_id_and_the_pace_that_were_chosen(tmp_path: Path) -> None:  # 29
    with running(Place(tmp_path / "data"), SETTINGS) as service, service.client() as client:
        wire = Wire(client, CHOSEN)
        for _ in range(5):
            # a caller without a token is none that counts
            assert client.get(wire.path("Sprints"), headers={"Authorization": "Bearer x"}).status_code == 401
        answers = [wire.client.get(wire.path("Sprints")) for _ in range(7)]
        assert 200 in {answer.status_code for answer in answers}
        assert answers[-1].status_code == 429
        assert answers[-1].json() == {
            "error": {"type": "RATE_LIMIT_REACHED", "message": "Rate limit exceeded. Please try again later"}
        }
        assert int(answers[-1].headers["retry-after"]) > 3_500
        assert client.get("/sprints").status_code == 200


def test_pages_of_allowed_origins_may_send_what_airtable_js_sends(tmp_path: Path) -> None:
    sent = "authorization,x-airtable-application-id,x-airtable-user-agent,x-api-version,content-type"
    preflight = {
        "Origin": ORIGIN, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": sent,
    }  # fmt: skip
    with running(Place(tmp_path / "data"), SETTINGS) as service, service.client() as client:
        answer = client.options(f"/v0/{CHOSEN}/Sprints", headers=preflight)
        allowed = {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
        assert set(sent.split(",")) <= allowed
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        foreign = client.options(f"/v0/{CHOSEN}/Sprints", headers={**preflight, "Origin": "https://else.example"})
        assert (foreign.status_code, foreign.json()["error"]["type"]) == (403, "INVALID_PERMISSIONS")
        read = client.get(f"/v0/{CHOSEN}/Sprints", headers={"Origin": ORIGIN})
        assert read.headers["access-control-allow-origin"] == ORIGIN
