import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from ipaddress import ip_network

import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.routing import Mount
from tests.fakes import CountingIds
from tests.unit.web.harness import ANYBODY, READER, WRITER, Door, Droplet

from airtable_connector.kernel.errors import Conflict, Unavailable
from airtable_connector.web.http import (
    Answer,
    Call,
    Stream,
    call_of,
)
from airtable_connector.web.http.behind import as_route, install_problems
from airtable_connector.web.http.trace import TraceIds

pytestmark = pytest.mark.anyio


async def hello(call: Call) -> Answer:
    return Answer(200, b'{"hello":"mesh"}')


async def echo(call: Call) -> Answer:
    return Answer(201, json.dumps({"json": await call.json(), "query": call.query, "id": call.path_id}).encode())


HOT = {"/sprints": {"GET": hello, "POST": echo}, "/sprints/{id}": {"GET": echo, "PUT": echo}, "/health": {"GET": hello}}


class TestTrace:
    @pytest.mark.parametrize("named", ["3f1c0a52-7d3e-4c55-9d59-0d6f0c5d5a11", "order.66_a-b"])
    async def test_a_trace_id_of_the_caller_is_kept_and_returned(self, named: str) -> None:
        reply = await Door(HOT).ask("GET", "/sprints", headers={"X-Trace-ID": named})
        assert reply.header("x-trace-id") == named

    @pytest.mark.parametrize("named", ["", "a" * 65, 'a"b', "a b", "é", "a\n"])
    async def test_a_trace_id_that_is_unsafe_to_write_down_is_replaced(self, named: str) -> None:
        reply = await Door(HOT).ask("GET", "/sprints", headers={"X-Trace-ID": named})
        assert reply.header("x-trace-id") == "00000000-0000-4000-8000-000000000000"

    async def test_the_trace_of_traceparent_is_used(self) -> None:
        parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        reply = await Door(HOT).ask("GET", "/sprints", headers={"traceparent": parent})
        assert reply.header("x-trace-id") == "4bf92f3577b34da6a3ce929d0e0e4736"

    async def test_refusals_and_unknown_paths_carry_it_too(self) -> None:
        reply = await Door(HOT).ask("GET", "/sprints", token=None, headers={"X-Trace-ID": "t-1"})
        assert reply.header("x-trace-id") == "t-1"
        assert reply.error["details"]["trace_id"] == "t-1"

    async def test_new_ones_differ_and_look_like_uuids(self) -> None:
        traces = TraceIds(CountingIds())
        assert [traces.of({}) for _ in range(3)] == [f"00000000-0000-4000-8000-00000000000{n}" for n in range(3)]


class TestIdentity:
    async def test_without_a_token_the_answer_says_what_is_missing(self) -> None:
        door = Door(HOT)
        reply = await door.ask("GET", "/sprints", token=None)
        assert (reply.status, reply.error["code"], reply.error["details"]["reason"]) == (
            401,
            "UNAUTHORIZED",
            "missing-token",
        )
        assert reply.header("www-authenticate") == 'Bearer realm="droplet-2"'
        assert door.numbers.refusals == ["missing-token"]

    async def test_a_bad_token_is_challenged_as_invalid(self) -> None:
        reply = await Door(HOT).ask("GET", "/sprints", token="forged")
        assert reply.status == 401
        assert reply.header("www-authenticate") == (
            'Bearer realm="droplet-2", error="invalid_token", error_description="the token is \'bad\'"'
        )

    @pytest.mark.parametrize("value", ["Basic YTpi", "reader", ""])
    async def test_another_scheme_is_no_identity(self, value: str) -> None:
        door = Door(HOT, network=Droplet(5))
        reply = await door.ask("GET", "/sprints", token=None, headers={"Authorization": value})
        assert (reply.status, reply.error["details"]["reason"]) == (401, "unknown-scheme")

    async def test_the_scheme_is_read_in_any_case(self) -> None:
        reply = await Door(HOT).ask("GET", "/sprints", token=None, headers={"Authorization": "bearer  reader"})
        assert reply.status == 200

    async def test_a_bad_token_from_a_trusted_network_is_still_bad(self) -> None:
        assert (await Door(HOT, network=Droplet(5)).ask("GET", "/sprints", token="forged")).status == 401

    async def test_a_trusted_network_needs_no_token(self) -> None:
        door = Door(HOT, network=Droplet(5))
        assert (await door.ask("GET", "/sprints", token=None)).status == 200
        assert door.log.lines[0]["caller"] == 5

    async def test_two_authorization_headers_are_refused(self) -> None:
        reply = await Door(HOT).ask("GET", "/sprints", headers={"Authorization": "Bearer reader"})
        assert (reply.status, reply.error["details"]["reason"]) == (400, "doubled-header")

    async def test_a_missing_permission_is_named_beside_those_that_are_held(self) -> None:
        reply = await Door(HOT).ask("POST", "/sprints", token=READER, body=b"{}")
        assert (reply.status, reply.error["code"]) == (403, "FORBIDDEN")
        assert reply.error["message"] == "this needs the permission write; the caller has read"
        assert reply.header("www-authenticate") == (
            'Bearer realm="droplet-2", error="insufficient_scope", scope="write"'
        )

    async def test_no_permissions_is_not_even_reading(self) -> None:
        assert (await Door(HOT).ask("GET", "/sprints", token=ANYBODY)).status == 403

    async def test_public_paths_ask_nobody(self) -> None:
        door = Door(HOT, public_paths=frozenset({"/health"}))
        assert (await door.ask("GET", "/health", token=None)).status == 200
        assert (await door.ask("GET", "/health", token="forged")).status == 200
        assert door.verified == []

    async def test_a_path_beside_a_public_one_is_not_public(self) -> None:
        door = Door(HOT, public_paths=frozenset({"/health"}), public_prefixes=("/console/",))
        assert (await door.ask("GET", "/health/", token=None)).status == 401
        assert (await door.ask("GET", "/consoles", token=None)).status == 401


class TestAddresses:
    async def test_the_forwarded_address_is_believed_from_a_trusted_proxy_only(self) -> None:
        door = Door(HOT, trusted_proxies=(ip_network("10.0.0.0/8"),))
        forwarded = {"X-Forwarded-For": "198.51.100.9"}
        await door.ask("GET", "/sprints", token=None, peer="10.1.1.1", headers=forwarded)
        await door.ask("GET", "/sprints", token=None, peer="192.0.2.7", headers=forwarded)
        assert door.located == ["198.51.100.9", "192.0.2.7"]

    async def test_production_refuses_plain_text(self) -> None:
        reply = await Door(HOT, https_only=True).ask("GET", "/sprints")
        assert (reply.status, reply.error["message"]) == (403, "https required")
        assert reply.header("strict-transport-security") is not None

    async def test_production_takes_https_and_a_trusted_proxys_word_for_it(self) -> None:
        door = Door(HOT, https_only=True, trusted_proxies=(ip_network("10.0.0.0/8"),))
        proto = {"X-Forwarded-Proto": "https"}
        assert (await door.ask("GET", "/sprints", scheme="https")).status == 200
        assert (await door.ask("GET", "/sprints", peer="10.1.1.1", headers=proto)).status == 200
        assert (await door.ask("GET", "/sprints", peer="10.1.1.1")).status == 403
        assert (await door.ask("GET", "/sprints", headers=proto)).status == 403

    async def test_the_machine_itself_may_ask_for_health_in_plain_text(self) -> None:
        door = Door(HOT, https_only=True, public_paths=frozenset({"/health"}))
        assert (await door.ask("GET", "/health", token=None, peer="127.0.0.1")).status == 200
        assert (await door.ask("GET", "/health", token=None, peer="::1")).status == 200
        assert (await door.ask("GET", "/health", token=None)).status == 403
        assert (await door.ask("GET", "/sprints", peer="127.0.0.1")).status == 403


class TestQuota:
    async def test_each_answer_tells_what_is_left(self) -> None:
        door = Door(HOT, requests_per_minute=60)
        await door.ask("GET", "/sprints")
        reply = await door.ask("GET", "/sprints")
        assert reply.header("ratelimit-policy") == '"default";q=60;w=60'
        assert reply.header("ratelimit") == '"default";r=58;t=3'

    async def test_one_too_many_is_told_when_to_come_again(self) -> None:
        door = Door(HOT, requests_per_minute=2)
        for _ in range(2):
            assert (await door.ask("GET", "/sprints")).status == 200
        reply = await door.ask("GET", "/sprints")
        assert (reply.status, reply.error["code"], reply.header("retry-after")) == (429, "RATE_LIMITED", "30")
        assert reply.header("ratelimit") == '"default";r=0;t=30'
        assert door.numbers.limited == 1
        assert (await door.ask("GET", "/sprints", token=READER)).status == 200, "each identity has its own"
        await door.clock.advance(timedelta(seconds=30))
        assert (await door.ask("GET", "/sprints")).status == 200

    async def test_tokens_cannot_be_guessed_quickly(self) -> None:
        door = Door(HOT, refusals_per_minute=3)
        for _ in range(3):
            assert (await door.ask("GET", "/sprints", token="guess")).status == 401
        seen = len(door.verified)
        reply = await door.ask("GET", "/sprints", token="guess")
        assert (reply.status, reply.error["details"]["reason"]) == (429, "refused-too-often")
        assert len(door.verified) == seen, "it was not even looked at"
        assert (await door.ask("GET", "/sprints", token="guess", peer="192.0.2.8")).status == 401

    async def test_a_neighbour_with_a_good_token_is_not_shut_out_by_guesses(self) -> None:
        door = Door(HOT, refusals_per_minute=3)
        await door.ask("GET", "/sprints", token="guess")
        await door.ask("GET", "/sprints", token=WRITER)
        for _ in range(3):
            await door.ask("GET", "/sprints", token="guess")
        assert (await door.ask("GET", "/sprints", token="guess")).status == 429
        assert (await door.ask("GET", "/sprints", token=WRITER)).status == 200


class TestDispatch:
    async def test_a_path_of_two_parts_gives_its_last_one(self) -> None:
        reply = await Door(HOT).ask("PUT", "/sprints/rec1", body=b"{}")
        assert json.loads(reply.body)["id"] == "rec1"

    async def test_routes_are_counted_and_logged_by_their_template(self) -> None:
        door = Door(HOT)
        await door.ask("PUT", "/sprints/rec1", body=b"{}")
        assert door.numbers.requests == [("PUT", "/sprints/{id}", 201)]
        line = door.log.lines[0]
        assert (line["path"], line["route"], line["status"]) == ("/sprints/rec1", "/sprints/{id}", 201)
        assert door.numbers.in_flight == 0

    async def test_head_is_get_without_its_body(self) -> None:
        reply = await Door(HOT).ask("HEAD", "/sprints")
        assert (reply.status, reply.body, reply.header("content-length")) == (200, b"", "16")

    async def test_a_wrong_method_is_told_the_right_ones(self) -> None:
        reply = await Door(HOT).ask("DELETE", "/sprints")
        assert (reply.status, reply.header("allow")) == (405, "GET, HEAD, POST")
        assert reply.error["code"] == "INVALID_REQUEST"

    async def test_a_template_of_another_form_is_refused_at_the_start(self) -> None:
        with pytest.raises(ValueError, match="behind the edge"):
            Door({"/sprints/{id}/history": {"GET": hello}})

    @pytest.mark.parametrize("path", ["/sprints/", "/sprints/a/b", "/", "/nothing", ""])
    async def test_what_is_not_in_the_table_goes_behind(self, path: str) -> None:
        asked = []

        async def inner(scope, receive, send) -> None:
            asked.append(scope["path"])
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        reply = await Door(HOT, inner).ask("GET", path)
        assert (reply.status, asked) == (404, [path])
        assert reply.header("x-content-type-options") == "nosniff"

    async def test_the_query_is_read_in_order(self) -> None:
        reply = await Door(HOT).ask("POST", "/sprints", body=b"{}", query=b"sort=-A&sort=B&q=&n=a%20b%C3%A9+c")
        assert json.loads(reply.body)["query"] == [["sort", "-A"], ["sort", "B"], ["q", ""], ["n", "a bé c"]]

    @pytest.mark.parametrize(
        ("query", "status"), [(b"a=%ff", 422), (b"a=\xff", 422), (b"a&" * 101, 422), (b"a" * 8193, 414)]
    )
    async def test_a_query_out_of_bounds_is_refused(self, query: bytes, status: int) -> None:
        reply = await Door(HOT).ask("POST", "/sprints", body=b"{}", query=query)
        assert (reply.status, reply.error["details"]["field"]) == (status, "query")


class TestBodies:
    async def test_a_body_in_parts_is_read_whole(self) -> None:
        reply = await Door(HOT).ask("POST", "/sprints", body=[b'{"a":', b"[1,", b"2]}"])
        assert json.loads(reply.body)["json"] == {"a": [1, 2]}

    async def test_an_announced_length_beyond_the_limit_is_refused_unread(self) -> None:
        reply = await Door(HOT, body_limit=10).ask("POST", "/sprints", body=b"{}", headers={"Content-Length": "11"})
        assert (reply.status, reply.header("connection")) == (413, "close")
        assert reply.error["details"]["bytes"] == 10

    async def test_a_body_without_a_length_is_bounded_too(self) -> None:
        reply = await Door(HOT, body_limit=10).ask("POST", "/sprints", body=[b"[1,", b"2,3,4,", b"5,6]"])
        assert (reply.status, reply.error["details"]["reason"]) == (413, "body-too-large")
        assert reply.error["details"]["bytes"] == 10

    async def test_bulk_paths_take_more(self) -> None:
        door = Door(HOT, body_limit=10, bulk_limit=100, bulk_paths=frozenset({"/sprints"}))
        assert (await door.ask("POST", "/sprints", body=b"[1,2,3,4,5,6]")).status == 201
        assert (await door.ask("PUT", "/sprints/1", body=b"[1,2,3,4,5,6]")).status == 413

    @pytest.mark.parametrize(
        ("body", "status", "reason"),
        [
            (b"", 422, "empty-body"),
            (b"  \n", 422, "empty-body"),
            (b"{", 400, "malformed-json"),
            (b'{"a":NaN}', 400, "malformed-json"),
            (b'"\xff"', 400, "malformed-json"),
            (b"[" * 33 + b"]" * 33, 422, "nested-too-deeply"),
            (b"[" * 5000 + b"]" * 5000, 422, "nested-too-deeply"),
            (b'{"a":' * 33 + b"1" + b"}" * 33, 422, "nested-too-deeply"),
        ],
    )
    async def test_what_is_no_json_object_is_told_so(self, body: bytes, status: int, reason: str) -> None:
        reply = await Door(HOT).ask("POST", "/sprints", body=body)
        assert (reply.status, reply.error["details"]["reason"]) == (status, reason)

    @pytest.mark.parametrize("body", [b"[" * 32 + b"]" * 32, b'["' + b"[" * 99 + b'"]', b"[" + b"[]," * 99 + b"1]"])
    async def test_what_is_not_too_deep_is_taken(self, body: bytes) -> None:
        assert (await Door(HOT).ask("POST", "/sprints", body=body)).status == 201

    @pytest.mark.parametrize(
        "declared", ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"']
    )
    async def test_json_is_taken_however_it_is_spelled(self, declared: str) -> None:
        assert (await Door(HOT).ask("POST", "/sprints", body=b"{}", headers={"Content-Type": declared})).status == 201

    @pytest.mark.parametrize("declared", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"])
    async def test_another_media_type_is_refused(self, declared: str) -> None:
        reply = await Door(HOT).ask("POST", "/sprints", body=b"{}", headers={"Content-Type": declared})
        assert (reply.status, reply.error["details"]["field"]) == (415, "Content-Type")

    async def test_a_caller_who_leaves_is_not_answered(self) -> None:
        door = Door(HOT)
        reply = await door.ask("POST", "/sprints", body=b"{}", leaves=True)
        assert reply.status == 0
        assert (door.numbers.requests, door.log.failures) == ([("POST", "/sprints", 499)], [])


class TestLimits:
    async def test_too_many_headers_are_refused(self) -> None:
        reply = await Door(HOT).ask("GET", "/sprints", headers=[(f"x-{n}", "1") for n in range(100)])
        assert (reply.status, reply.header("connection")) == (431, "close")

    async def test_headers_that_are_too_long_are_refused(self) -> None:
        assert (await Door(HOT).ask("GET", "/sprints", headers={"x": "a" * 16_400})).status == 431
        assert (await Door(HOT).ask("GET", "/sprints", headers=[("x", "a" * 9_000)] * 2)).status == 431
        assert (await Door(HOT).ask("GET", "/sprints", headers={"x": "a" * 16_000})).status == 200

    async def test_a_path_that_is_too_long_is_refused(self) -> None:
        assert (await Door(HOT).ask("GET", "/" + "a" * 2048)).status == 414

    async def test_no_more_than_so_many_requests_are_at_work(self) -> None:
        reached, go_on = asyncio.Event(), asyncio.Event()

        async def slow(call: Call) -> Answer:
            reached.set()
            await go_on.wait()
            return Answer(200)

        door = Door({"/slow": {"GET": slow}}, most_in_flight=1)
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(door.ask("GET", "/slow"))
            await reached.wait()
            second = await door.ask("GET", "/slow")
            go_on.set()
        assert (second.status, second.header("retry-after")) == (503, "1")
        assert first.result().status == 200


class TestHeaders:
    async def test_every_answer_carries_the_security_headers(self) -> None:
        door = Door(HOT)
        for reply in (await door.ask("GET", "/sprints"), await door.ask("GET", "/sprints", token=None)):
            assert reply.header("x-content-type-options") == "nosniff"
            assert reply.header("x-frame-options") == "DENY"
            assert reply.header("content-security-policy") == "default-src 'self'"
            assert reply.header("referrer-policy") == "no-referrer"
            assert reply.header("cache-control") == "no-store"
            assert reply.header("strict-transport-security") is None

    async def test_an_endpoints_own_header_wins(self) -> None:
        async def cached(call: Call) -> Answer:
            return Answer(200, b"{}", ((b"etag", b'"1"'), (b"cache-control", b"private, no-cache")))

        reply = await Door({"/c": {"GET": cached}}).ask("GET", "/c")
        assert reply.header("cache-control") == "private, no-cache"
        assert reply.header("x-frame-options") == "DENY"

    @pytest.mark.parametrize("status", [204, 304])
    async def test_an_answer_without_content_describes_none(self, status: int) -> None:
        async def empty(call: Call) -> Answer:
            return Answer(status)

        reply = await Door({"/e": {"GET": empty}}).ask("GET", "/e")
        assert (reply.header("content-length"), reply.header("content-type")) == (None, None)

    async def test_while_draining_each_answer_closes_its_connection(self) -> None:
        door = Door(HOT)
        door.lifecycle.begin_drain()
        assert (await door.ask("GET", "/sprints")).header("connection") == "close"
        assert (await door.ask("GET", "/sprints", token=None)).header("connection") == "close"


class TestOrigins:
    ORIGIN = "https://dashboard.example"

    async def test_a_page_of_an_allowed_origin_may_read(self) -> None:
        door = Door(HOT, allowed_origins=frozenset({self.ORIGIN}))
        reply = await door.ask("GET", "/sprints", headers={"Origin": self.ORIGIN})
        assert reply.header("access-control-allow-origin") == self.ORIGIN
        assert "X-Trace-ID" in (reply.header("access-control-expose-headers") or "")
        assert reply.header("vary") == "origin"

    async def test_a_foreign_page_is_not_let_in(self) -> None:
        door = Door(HOT, allowed_origins=frozenset({self.ORIGIN}))
        reply = await door.ask("GET", "/sprints", headers={"Origin": "https://evil.example"})
        assert reply.header("access-control-allow-origin") is None
        assert reply.header("vary") == "origin"

    async def test_a_preflight_is_answered_before_identity(self) -> None:
        door = Door(HOT, allowed_origins=frozenset({self.ORIGIN}))
        asked = {"Origin": self.ORIGIN, "Access-Control-Request-Method": "PUT"}
        reply = await door.ask("OPTIONS", "/sprints/rec1", token=None, headers=asked)
        assert (reply.status, reply.body) == (204, b"")
        assert "PUT" in (reply.header("access-control-allow-methods") or "")
        assert reply.header("access-control-allow-origin") == self.ORIGIN

    async def test_a_foreign_preflight_is_refused(self) -> None:
        asked = {"Origin": self.ORIGIN, "Access-Control-Request-Method": "PUT"}
        reply = await Door(HOT).ask("OPTIONS", "/sprints", token=None, headers=asked)
        assert (reply.status, reply.header("access-control-allow-origin")) == (403, None)


class TestTrouble:
    async def test_a_bug_is_logged_once_and_not_shown(self) -> None:
        async def broken(call: Call) -> Answer:
            raise KeyError("select * from secrets")

        door = Door({"/b": {"GET": broken}})
        reply = await door.ask("GET", "/b", headers={"X-Trace-ID": "t-9"})
        assert (reply.status, reply.error["code"]) == (500, "INTERNAL_ERROR")
        assert reply.error["details"] == {"trace_id": "t-9"}
        assert b"secrets" not in reply.body
        assert [type(error) for error in door.log.failures] == [KeyError]
        assert door.numbers.requests == [("GET", "/b", 500)]

    async def test_an_error_after_the_answer_began_leaves_it_without_an_end(self) -> None:
        async def parts() -> AsyncIterator[bytes]:
            yield b"data: 1\n\n"
            raise KeyError("late")

        async def broken(call: Call) -> Stream:
            return Stream(parts())

        door = Door({"/b": {"GET": broken}})
        reply = await door.ask("GET", "/b")
        assert (reply.body, reply.complete) == (b"data: 1\n\n", False)
        assert len(door.log.failures) == 1

    async def test_errors_of_the_kernels_families_become_problems(self) -> None:
        async def refused(call: Call) -> Answer:
            raise Unavailable("the store is locked", retry_after=timedelta(seconds=1.5), facts={"waiting": 3})

        reply = await Door({"/b": {"GET": refused}}).ask("GET", "/b")
        assert (reply.status, reply.error["code"], reply.header("retry-after")) == (503, "DEPENDENCY_UNAVAILABLE", "2")
        assert reply.error["details"]["waiting"] == 3

    async def test_a_cancelled_request_is_counted_and_stays_cancelled(self) -> None:
        reached = asyncio.Event()

        async def slow(call: Call) -> Answer:
            reached.set()
            await asyncio.get_running_loop().create_future()
            raise AssertionError

        door = Door({"/slow": {"GET": slow}})
        task = asyncio.ensure_future(door.ask("GET", "/slow"))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert door.numbers.in_flight == 0

    async def test_web_sockets_are_closed(self) -> None:
        sent = []

        async def send(message) -> None:
            sent.append(message)

        await Door().edge({"type": "websocket"}, None, send)
        assert sent == [{"type": "websocket.close", "code": 1008}]


class TestStreams:
    async def test_parts_are_sent_as_they_come_and_the_stream_ends_with_them(self) -> None:
        async def parts() -> AsyncIterator[bytes]:
            yield b"data: 1\n\n"
            yield b"data: 2\n\n"

        async def events(call: Call) -> Stream:
            return Stream(parts())

        door = Door({"/events": {"GET": events}})
        reply = await door.ask("GET", "/events")
        assert reply.parts == [b"data: 1\n\n", b"data: 2\n\n", b""]
        assert reply.complete
        assert reply.header("content-type") == "text/event-stream"
        assert reply.header("content-length") is None
        assert door.log.lines[0]["size"] == 18

    async def test_a_whole_stream_comes_to_its_end_although_draining_has_begun(self) -> None:
        async def parts() -> AsyncIterator[bytes]:
            yield b"one"
            door.lifecycle.begin_drain()
            yield b"two"

        async def file(_call: Call) -> Stream:
            return Stream(parts(), whole=True)

        door = Door(hot={"/file": {"GET": file}})
        reply = await door.ask("GET", "/file")
        assert (reply.parts, reply.complete) == ([b"one", b"two", b""], True)

    async def test_a_stream_ends_when_draining_begins_and_closes_its_source(self) -> None:
        began, closed = asyncio.Event(), []

        async def parts() -> AsyncIterator[bytes]:
            try:
                yield b"data: 1\n\n"
                began.set()
                await asyncio.get_running_loop().create_future()
            finally:
                closed.append(True)

        async def events(call: Call) -> Stream:
            return Stream(parts())

        door = Door({"/events": {"GET": events}})
        async with asyncio.TaskGroup() as tasks:
            reply = tasks.create_task(door.ask("GET", "/events"))
            await began.wait()
            door.lifecycle.begin_drain()
        assert (reply.result().complete, closed) == (True, [True])

    async def test_a_stream_ends_when_its_caller_leaves(self) -> None:
        closed = []

        async def parts() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b": still here\n\n"
            finally:
                closed.append(True)

        source = parts()  # kept, so that it is not closed by being forgotten

        async def events(call: Call) -> Stream:
            return Stream(source)

        await asyncio.wait_for(Door({"/events": {"GET": events}}).ask("GET", "/events", leaves=True), 5)
        assert closed == [True]


class Sprint(BaseModel):
    name: str
    hours: int


class Gone(Conflict):
    code = "gone-by"


def an_application(door: Door) -> FastAPI:
    app = FastAPI(routes=[as_route("/cells/{cell}/history", {"GET": history, "POST": echo})])
    install_problems(app, door.problems)

    @app.post("/typed")
    async def typed(sprint: Sprint) -> Sprint:
        return sprint

    @app.get("/refused")
    async def refused() -> None:
        raise Gone("it is gone", field="x")

    @app.get("/broken")
    async def broken() -> None:
        raise KeyError("select")

    app.router.routes.append(Mount("/console", app=page))
    return app


async def history(call: Call) -> Answer:
    if call.query == [("fail", "1")]:
        raise Gone("it is gone")
    if call.query == [("fail", "2")]:
        raise KeyError("select")
    assert call is call_of(call.scope)
    return Answer(200, json.dumps({"cell": call.path_params["cell"], "by": call.caller.droplet}).encode())


async def page(scope, receive, send) -> None:
    own = [(b"Content-Security-Policy", b"default-src 'none'"), (b"content-type", b"text/html")]
    await send({"type": "http.response.start", "status": 200, "headers": own})
    await send({"type": "http.response.body", "body": b"<html>"})


class TestBehind:
    @pytest.fixture
    def door(self) -> Door:
        door = Door(HOT, body_limit=100)
        door.edge._inner = an_application(door)
        return door

    async def test_an_endpoint_of_ours_works_behind_as_at_the_edge(self, door: Door) -> None:
        reply = await door.ask("GET", "/cells/c-1/history")
        assert (reply.status, json.loads(reply.body)) == (200, {"cell": "c-1", "by": 8})
        assert reply.header("ratelimit") is not None
        assert door.numbers.requests == [("GET", "/cells/{cell}/history", 200)]

    async def test_its_refusals_and_bugs_are_problems_too(self, door: Door) -> None:
        reply = await door.ask("GET", "/cells/c-1/history", query=b"fail=1")
        assert (reply.status, reply.error["details"]["reason"]) == (409, "gone-by")
        reply = await door.ask("GET", "/cells/c-1/history", query=b"fail=2")
        assert (reply.status, reply.error["code"]) == (500, "INTERNAL_ERROR")
        assert len(door.log.failures) == 1

    async def test_a_wrong_method_behind_is_told_all_right_ones(self, door: Door) -> None:
        reply = await door.ask("DELETE", "/cells/c-1/history")
        assert reply.status == 405
        assert set((reply.header("allow") or "").split(", ")) == {"GET", "HEAD", "POST"}
        assert reply.error["code"] == "INVALID_REQUEST"

    async def test_an_unknown_path_is_a_problem(self, door: Door) -> None:
        reply = await door.ask("GET", "/nowhere")
        assert (reply.status, reply.error["code"], reply.error["details"]["reason"]) == (
            404,
            "NOT_FOUND",
            "route-unknown",
        )
        assert door.numbers.requests == [("GET", "unmatched", 404)]

    async def test_fastapis_refusals_name_the_field(self, door: Door) -> None:
        reply = await door.ask("POST", "/typed", body=b'{"name":"a","hours":"many"}')
        assert (reply.status, reply.error["details"]["field"]) == (422, "body.hours")
        assert b"many" not in reply.body
        assert door.numbers.requests == [("POST", "/typed", 422)]

    async def test_fastapis_json_errors_are_400(self, door: Door) -> None:
        assert (await door.ask("POST", "/typed", body=b"{")).status == 400

    async def test_fastapis_bodies_are_bounded(self, door: Door) -> None:
        reply = await door.ask("POST", "/typed", body=[b'{"name":"', b"a" * 99, b'"}'])
        assert (reply.status, reply.header("connection")) == (413, "close")

    async def test_fastapis_routes_may_raise_our_errors(self, door: Door) -> None:
        reply = await door.ask("GET", "/refused")
        assert (reply.status, reply.error["message"]) == (409, "it is gone")

    async def test_a_bug_in_a_fastapi_route_is_logged_once(self, door: Door) -> None:
        reply = await door.ask("GET", "/broken")
        assert (reply.status, reply.error["code"], reply.complete) == (500, "INTERNAL_ERROR", True)
        assert len(door.log.failures) == 1

    async def test_a_mounted_page_keeps_its_own_policy(self, door: Door) -> None:
        reply = await door.ask("GET", "/console/index.html")
        assert reply.header("content-security-policy") == "default-src 'none'"
        assert door.numbers.requests == [("GET", "/console/*", 200)]

    async def test_identity_is_asked_before_anything_behind(self, door: Door) -> None:
        assert (await door.ask("GET", "/nowhere", token=None)).status == 401
