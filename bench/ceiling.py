"""The ceiling: a bare ASGI application that reads a request's body and answers with constant bytes.

``python -m bench.ceiling PORT SIZES``: SIZES is a JSON object from path to ``[status, head bytes, body bytes]``; the
answers are as long on the wire as the service's.
"""

import json
import sys
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import uvicorn

Message = MutableMapping[str, Any]

FIXED_HEAD = len(b"HTTP/1.1 200 OK\r\n\r\n")


def answer(status: int, head: int, body: int) -> tuple[Message, Message]:
    """Make the two messages of an answer of this size."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % body)]
    beside = FIXED_HEAD + sum(len(name) + len(value) + 4 for name, value in headers) + len(b"x-filler: \r\n")
    headers.append((b"x-filler", b"x" * max(0, head - beside)))
    return (
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": b"x" * body},
    )


def application(sizes: Mapping[str, tuple[int, int, int]]) -> Callable[..., Awaitable[None]]:
    """Return the application."""
    answers = {path: answer(*size) for path, size in sizes.items()}

    async def app(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        start, body = answers[scope["path"]]
        if scope["method"] == "POST":
            while (await receive())["more_body"]:
                pass
        await send(start)
        await send(body)

    return app


def main() -> None:
    """Serve until a signal."""
    port, sizes = int(sys.argv[1]), json.loads(sys.argv[2])
    uvicorn.run(
        application(sizes),
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="error",
        ws="none",
        proxy_headers=False,
        server_header=False,
        date_header=False,
    )


if __name__ == "__main__":
    main()
