"""Parts of the edge that are loaded when they are wanted, so that no start waits for them."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.web.http.asgi import App, Header, Receive, Scope, Send
from airtable_connector.web.http.call import Answer, Call, Verify
from airtable_connector.web.http.dialect import Dialect
from airtable_connector.web.http.problems import Problems
from airtable_connector.web.http.routes import Methods, Resource

T = TypeVar("T")


class Late(Generic[T]):
    """Something that is made once, by whoever wants it first, in whichever thread."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: T | None = None
        self._making = threading.Lock()

    @property
    def made(self) -> T | None:
        """What was made, if it was already."""
        return self._made

    def get(self) -> T:
        """Return it, made now if need be: that may take some tenths of a second."""
        with self._making:
            if self._made is None:
                self._made = self._make()
            return self._made


class Behind:
    """An ASGI application of endpoints that are rarely asked; the framework they need takes long to import.

    The first request for one of them waits until it is loaded, unless `prepare` was called before.
    """

    def __init__(self, paths: Mapping[str, Methods], problems: Problems) -> None:
        def load() -> App:
            from airtable_connector.web.http.behind import application_of  # noqa: PLC0415 - heavy, see there

            return application_of(paths, problems)

        self._app = Late(load)

    def prepare(self) -> None:
        """Load the application, once. Takes a tenth of a second: call it in a thread."""
        self._app.get()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; the lifespan is answered without loading, because nothing here starts or ends."""
        if scope["type"] == "lifespan":
            for moment in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{moment}.complete"})
            return
        app = self._app.made
        if app is None:
            app = await asyncio.to_thread(self._app.get)
        await app(scope, receive, send)


class LateDialect:
    """A dialect that is loaded when something below its beginning is first asked for, or by `prepare`."""

    def __init__(self, beginning: str, load: Callable[[], Dialect]) -> None:
        self.beginning = beginning
        """How all of its paths begin."""
        self._dialect = Late(load)

    def prepare(self) -> None:
        """Load the dialect, once. Takes a few hundredths of a second: call it in a thread."""
        self._dialect.get()

    @property
    def verify(self) -> Verify:
        """What tells who bears a token here."""
        return self._loaded.verify

    def find(self, call: Call) -> Resource:
        """Return what answers a call, or raise what the dialect refuses it with."""
        return self._loaded.find(call)

    def refusal(self, error: ConnectorError, headers: tuple[Header, ...]) -> Answer:
        """Word a refusal."""
        return self._loaded.refusal(error, headers)

    def internal(self, trace_id: str) -> Answer:
        """Answer a bug of ours."""
        return self._loaded.internal(trace_id)

    @property
    def _loaded(self) -> Dialect:
        return self._dialect.made or self._dialect.get()
