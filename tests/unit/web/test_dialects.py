"""What the edge leaves to a dialect with words of its own."""

from collections.abc import Mapping

import pytest
from tests.unit.web.harness import ANYBODY, Door, Droplet

from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.web.http import Answer, Call, Endpoint, Header, Resource, RouteUnknown, Verify

pytestmark = pytest.mark.anyio


class Pirate:
    """A dialect that words every trouble by its code."""

    beginning = "/ahoy/"
    verify: Verify

    def __init__(self, methods: Mapping[str, Endpoint] | None = None) -> None:
        self.resource = Resource("/ahoy/{name}", methods or {"GET": self.answer, "POST": self.answer})

    def find(self, call: Call) -> Resource:
        if call.path.endswith("/nowhere"):
            raise RouteUnknown(call.path)
        return self.resource

    def refusal(self, error: ConnectorError, headers: tuple[Header, ...]) -> Answer:
        return Answer(418, error.code.encode(), headers)

    def internal(self, trace_id: str) -> Answer:
        return Answer(500, b"arr " + trace_id.encode())

    async def answer(self, call: Call) -> Answer:
        return Answer(200, call.route.encode())


def door(pirate: Pirate | None = None, **settings: int) -> Door:
    known = pirate or Pirate()
    opened = Door(dialects=(known,), body_limit=1_024, **settings)
    known.verify = opened._verify
    return opened


async def test_its_endpoint_answers_under_its_template() -> None:
    reply = await door().ask("GET", "/ahoy/polly")
    assert (reply.status, reply.body) == (200, b"/ahoy/{name}")


async def test_it_judges_the_address_before_anybody_is_asked_who_calls() -> None:
    asked = door()
    reply = await asked.ask("GET", "/ahoy/nowhere", token="bad")
    assert (reply.status, reply.body) == (418, b"route-unknown")
    assert asked.verified == []


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"method": "GET", "token": None}, b"missing-token"),
        ({"method": "GET", "token": "bad"}, b"bad-token"),
        ({"method": "POST", "body": b"{}", "headers": {"Content-Type": "text/plain"}}, b"not-json"),
        ({"method": "POST", "body": b"x" * 2_000}, b"body-too-large"),
        ({"method": "DELETE"}, b"method-not-allowed"),
        ({"method": "GET", "query": b"x" * 17_000}, b"address-too-long"),
    ],
)
async def test_it_words_what_the_edge_refuses(asked: dict[str, object], code: bytes) -> None:
    reply = await door().ask(path="/ahoy/polly", **asked)
    assert (reply.status, reply.body) == (418, code)


async def test_the_headers_of_a_refusal_are_the_same_in_every_dialect() -> None:
    reply = await door().ask("GET", "/ahoy/polly", token=None)
    assert (reply.header("www-authenticate") or "").startswith("Bearer")


async def test_it_judges_by_itself_what_a_caller_may_do() -> None:
    assert (await door().ask("POST", "/ahoy/polly", token=ANYBODY)).status == 200


async def test_it_knows_tokens_of_its_own_and_each_has_a_quota_of_its_own() -> None:
    class Parrot(Droplet):
        account = property(lambda self: self.steward)

    pirate = Pirate()
    asked = door(pirate, requests_per_minute=1)
    pirate.verify = lambda token, *, at: Parrot(5, steward=token)
    tokens = ("one", "two", "one")
    assert [(await asked.ask("GET", "/ahoy/polly", token=token)).status for token in tokens] == [200, 200, 418]
    assert asked.verified == []


async def test_it_words_our_bugs() -> None:
    async def broken(_call: Call) -> Answer:
        raise KeyError("select * from secrets")

    reply = await door(Pirate({"GET": broken})).ask("GET", "/ahoy/polly", headers={"X-Trace-ID": "t-9"})
    assert (reply.status, reply.body) == (500, b"arr t-9")


async def test_other_paths_are_not_its_business() -> None:
    reply = await door().ask("GET", "/ahoy", token=None)
    assert (reply.status, reply.error["code"]) == (401, "UNAUTHORIZED")
