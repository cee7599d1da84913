"""What a mirror answers is what the OpenAPI document says."""

import re
from typing import Any

import httpx2
from tests.acceptance.mirror.conftest import Mirrored, keyed, mirroring, wait_until_copied
from tests.integration.test_openapi import DOCUMENT, resolved, validator
from tests.service import Place, Service, eventually


def undescribed(answer: httpx2.Response, template: str) -> list[str]:
    """Return what of an answer the document does not say: its number, its body, its headers."""
    described = DOCUMENT["paths"][template][answer.request.method.lower()]["responses"].get(str(answer.status_code))
    if described is None:
        return [f"{template} {answer.status_code}"]
    described = resolved(described)
    schema = described["content"]["application/json"]["schema"]
    found = [f"{template} {error.message}" for error in validator(schema).iter_errors(answer.json())]
    for name, reference in described["headers"].items():
        header: dict[str, Any] = resolved(reference)
        value = answer.headers.get(name)
        if value is None:
            found += [f"{template} {name} is missing"] if header["required"] else []
        elif re.search(header["schema"]["pattern"], value) is None:
            found.append(f"{template} {name}: {value}")
    return found


def refuse(mirror: Mirrored) -> httpx2.Response:
    """Have a write refused by Airtable."""
    key, record = keyed("/sprints"), mirror.create()
    mirror.there.create("Sprints", key)
    return mirror.client.patch(f"/sprints/{record['id']}", json=key)


def dead_letter(mirror: Mirrored) -> int:
    eventually(lambda: bool(mirror.client.get("/dead-letters").json()["data"]["dead_letters"]))
    number: int = mirror.client.get("/dead-letters").json()["data"]["dead_letters"][0]["number"]
    return number


def test_a_mirror_answers_what_the_document_describes(airtable: Service, own_place: Place) -> None:
    # a plan that counts calls, so that writes tell what is left of them
    with mirroring(airtable, own_place, {"AIRTABLE_PLAN": "team"}) as mirror:
        wait_until_copied(mirror)
        ask, at_once = mirror.client.request, {"Prefer": "wait=0"}
        v0, record = mirror.wire.path("Sprints"), mirror.create()["id"]
        later = ask("POST", "/sprints", json=keyed("/sprints"), headers=at_once)
        answers = [
            (ask("POST", "/sprints", json=keyed("/sprints")), "/sprints"),
            (later, "/sprints"),
            (ask("PATCH", f"/sprints/{record}", json={"Name": "x"}, headers=at_once), "/sprints/{id}"),
            (ask("GET", "/sprints", params={"max_staleness": "5"}), "/sprints"),
            (ask("GET", f"/sprints/{record}"), "/sprints/{id}"),
            (ask("GET", f"/receipts/{later.headers['X-Receipt']}"), "/receipts/{id}"),
            (ask("GET", "/receipts/rcp9999999-9999999"), "/receipts/{id}"),
            (refuse(mirror), "/sprints/{id}"),
            (ask("GET", "/conflicts"), "/conflicts"),
            (ask("POST", v0, json={"fields": keyed("/sprints")}), "/v0/{base}/{table}"),
            (ask("POST", v0, json={"fields": keyed("/sprints")}, headers=at_once), "/v0/{base}/{table}"),
            (ask("GET", v0, params={"max_staleness": "5"}), "/v0/{base}/{table}"),
            (ask("DELETE", f"/sprints/{mirror.create()['id']}"), "/sprints/{id}"),
            *((ask("GET", path), path) for path in ("/state", "/health", "/dependencies", "/budget", "/changes")),
        ]
        number = dead_letter(mirror)
        answers += [
            (ask("GET", "/dead-letters"), "/dead-letters"),
            (ask("POST", f"/dead-letters/{number}/replay"), "/dead-letters/{number}/replay"),
        ]
        number = dead_letter(mirror)
        answers.append((ask("DELETE", f"/dead-letters/{number}"), "/dead-letters/{number}"))
        assert [each for answer, template in answers for each in undescribed(answer, template)] == []
        assert {answer.status_code for answer, _ in answers} == {200, 201, 202, 404, 422}
        assert '"airtable-month";r=' in later.headers["RateLimit"]
