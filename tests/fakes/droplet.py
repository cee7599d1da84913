"""A droplet of the mesh that keeps every rule of UDC v1.0, on a real socket, and can be made to break one."""

import base64
import hashlib
import json
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

NOW = "2026-01-05T12:00:00.000Z"
STOPS = {"/shutdown": {"delay_seconds", "reason"}, "/reload-config": {"config_path"}, "/emergency-stop": set()}

Breach: TypeAlias = Callable[[Request, Response], Response]
"""Takes a request and its proper answer, and returns what is answered instead."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'self'",
    "Referrer-Policy": "no-referrer",
}

GETS: Mapping[str, dict[str, Any]] = {
    "/health": {
        "id": 7, "name": "Seven", "steward": "Ada", "status": "active", "endpoint": "https://drop7.fullpotential.ai",
        "proof": hashlib.sha256(b"the last update").hexdigest(), "cost_usd": 0.5, "yield_usd": 0, "updated_at": NOW,
    },
    "/capabilities": {
        "version": "1.0.0", "features": ["voice"], "dependencies": ["registry"], "udc_version": "1.0",
        "metadata": {"build_date": NOW, "commit_hash": "unknown"}, "timestamp": NOW,
    },
    "/state": {
        "cpu_percent": 1.5, "memory_mb": 80, "uptime_seconds": 60, "requests_total": 3, "requests_per_minute": 2,
        "errors_last_hour": 0, "last_restart": NOW, "timestamp": NOW,
    },
    "/dependencies": {
        "required": [{"id": 18, "name": "Registry", "status": "connected"}], "optional": [],
        "missing": [{"id": "droplet-5", "name": "Dashboard", "status": "unavailable"}], "timestamp": NOW,
    },
    "/version": {
        "version": "1.0.0", "build_date": NOW, "commit_hash": "unknown", "environment": "development",
        "deployed_by": "unknown", "timestamp": NOW,
    },
}  # fmt: skip


def a_token(*permissions: str, droplet: int = 5) -> str:
    """Return the text of a token; nobody signed it, but the fake droplet knows it."""
    parts = ({"alg": "RS256"}, {"droplet_id": droplet, "permissions": list(permissions)})
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*texts, "c2lnbmVk"])


class FakeDroplet:
    """Droplet 7. It believes tokens of `a_token` for droplet 5, and keeps every request it got."""

    def __init__(self, server: HTTPServer, *, base_path: str = "") -> None:
        self.address = server.url_for(base_path)
        self.requests: list[Request] = []
        self.stopped: list[str] = []
        self.breach: Breach = lambda _request, answer: answer
        self._base_path = base_path
        self._receipts: dict[str, dict[str, Any]] = {}
        self._asked = 0
        server.expect_request(re.compile(".*")).respond_with_handler(self._answer)

    def asked_for(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == self._base_path + path]

    def _answer(self, request: Request) -> Response:
        self.requests.append(request)
        answer = self._proper(request)
        answer.headers.update(HEADERS)
        if trace_id := request.headers.get("X-Trace-ID"):
            answer.headers["X-Trace-ID"] = trace_id
        return self.breach(request, answer)

    def _proper(self, request: Request) -> Response:
        path = request.path.removeprefix(self._base_path)
        permissions = self._permissions(request)
        if path != "/health" and permissions is None:
            return refusal(401, "UNAUTHORIZED")
        method = "GET" if path in GETS else "POST" if path in {"/message", "/send", *STOPS} else None
        if method is None:
            return refusal(404, "NOT_FOUND")
        if request.method != method:
            refused = refusal(405, "INVALID_REQUEST")
            refused.headers["Allow"] = method
            return refused
        if path in GETS:
            return self._read(path)
        return self._post(path, request, permissions or set())

    def _permissions(self, request: Request) -> set[str] | None:
        known = {a_token(*names): set(names) for names in (["read"], ["read", "write"], ["read", "write", "admin"])}
        return known.get(request.headers.get("Authorization", "").removeprefix("Bearer "))

    def _read(self, path: str) -> Response:
        self._asked += 1
        document = GETS[path]
        return reply(document if path != "/state" else {**document, "requests_total": 3 + self._asked})

    def _post(self, path: str, request: Request, permissions: set[str]) -> Response:
        if ("admin" if path in STOPS else "write") not in permissions:
            return refusal(403, "FORBIDDEN")
        if len(request.data) > 1024 * 1024:
            return refusal(413, "INVALID_REQUEST")
        try:
            body = json.loads(request.data)
        except ValueError:
            return refusal(400, "INVALID_REQUEST")
        if not isinstance(body, dict):
            return refusal(422, "INVALID_REQUEST")
        if path in STOPS:
            return self._stop(path, body)
        return self._receive(body) if path == "/message" else self._send(body)

    def _stop(self, path: str, body: dict[str, Any]) -> Response:
        if body.get("delay_seconds", 10) > 300 or not isinstance(body.get("config_path", ""), str):
            return refusal(422, "INVALID_REQUEST")
        self.stopped.append(path)
        return reply({"timestamp": NOW})

    def _receive(self, body: dict[str, Any]) -> Response:
        if not is_a_message(body):
            return refusal(422, "INVALID_REQUEST")
        made = {"received": True, "trace_id": body["trace_id"], "processed_at": NOW, "result": "success"}
        return reply(self._receipts.setdefault(body["trace_id"], made))

    def _send(self, body: dict[str, Any]) -> Response:
        good = (
            isinstance(body.get("target"), str)
            and body.get("message_type") in {"status", "event", "command", "query"}
            and isinstance(body.get("payload"), dict)
            and body.get("priority", "normal") in {"high", "normal", "low"}
            and 0 <= body.get("retry_count", 3) <= 10
        )
        if not good:
            return refusal(422, "INVALID_REQUEST")
        sent = body["target"] == "7"
        return reply(
            {
                "sent": sent,
                "target": body["target"],
                "trace_id": str(uuid.uuid4()),
                "status": "success" if sent else "error",
            }
        )


def is_a_message(body: dict[str, Any]) -> bool:
    fields = {"trace_id", "source", "target", "message_type", "payload", "timestamp"}
    if not fields <= body.keys() or not isinstance(body["payload"], dict):
        return False
    return (
        re.fullmatch(r"[0-9a-f-]{36}", str(body["trace_id"])) is not None
        and body["target"] in {7, "7", "droplet-7"}
        and body["message_type"] in {"status", "event", "command", "query", "response", "error"}
        and re.match(r"\d{4}-\d\d-\d\dT", str(body["timestamp"])) is not None
    )


def reply(document: object, status: int = 200) -> Response:
    return Response(json.dumps(document), status, content_type="application/json")


def refusal(status: int, code: str) -> Response:
    error = {"code": code, "message": "it is refused", "details": {}}
    return reply({"status": "error", "error": error, "timestamp": NOW}, status)
