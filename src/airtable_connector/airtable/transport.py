"""One call by pyairtable, in the thread of whoever asks, and never a second one for the same call.

Loading this loads pyairtable, requests and pydantic: `client` does so in a thread.
"""

import ssl
from collections.abc import Callable, Iterator
from http import HTTPStatus
from io import BytesIO
from typing import Any, Final, TypeVar

from pyairtable import Api
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import (
    InvalidHeader,
    InvalidSchema,
    InvalidURL,
    JSONDecodeError,
    MissingSchema,
    RequestException,
    Timeout,
)
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError

from airtable_connector.airtable.answers import Answer, judge
from airtable_connector.airtable.calls import CloudCall, CloudSettings
from airtable_connector.airtable.outcomes import Done, NotDone, Outcome, Unknown, Why
from airtable_connector.airtable.wire import MalformedAnswer
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.jsonvalues import JsonValue

T = TypeVar("T")

LARGEST_ANSWER: Final = 64 * 1024 * 1024
"""Bytes of an answer, decompressed; a longer one is not read to its end. A page of 100 records may have many long
texts; whoever is told of one that is longer can ask for fewer records."""

CHUNK: Final = 64 * 1024
"""Bytes that are read together, between two looks at the clock."""

UNSENDABLE: Final = (InvalidHeader, InvalidSchema, InvalidURL, MissingSchema)


class _Answered(Exception):
    """An answer came that is none of the 200s; pyairtable need not interpret it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class _AnswerLost(Exception):
    """The beginning of an answer came, and not its end."""


class Transport:
    """Asks with one key. May be used by several threads at once.

    Args:
        connections: how many of them are kept open.
    """

    def __init__(self, settings: CloudSettings, *, clock: Clock, connections: int) -> None:
        # no strategy here and an adapter that repeats nothing: pyairtable's own repeats creates whose answers were lost
        self._api = Api(settings.key.reveal(), retry_strategy=None, endpoint_url=settings.endpoint, use_field_ids=True)
        session = self._api.session
        session.trust_env = False  # a proxy or a netrc file of the machine would be given our key, or replace it
        adapter = _OneCall(settings, clock, connections)
        session.mount("https://", adapter)
        session.mount("http://", adapter)

    def ask(self, call: CloudCall, read: Callable[[JsonValue], T]) -> Outcome[T]:
        """Make the call, and wait for its end; ``read`` makes a value of the answer, or raises `MalformedAnswer`."""
        outcome = self._ask(call, read)
        if isinstance(outcome, Unknown) and not call.changes:
            return NotDone(Why.READING_FAILED, outcome.why)
        return outcome

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._api.session.close()

    def _ask(self, call: CloudCall, read: Callable[[JsonValue], T]) -> Outcome[T]:
        try:
            said = self._send(call)
        except _Answered as answered:
            return judge(answered.answer)
        except _AnswerLost as lost:
            return Unknown(str(lost))
        except JSONDecodeError:
            return Unknown("its answer is no JSON")
        except RequestException as failure:
            return _failed(failure)
        try:
            return Done(read(said))
        except MalformedAnswer as malformed:
            return Unknown(f"its answer is malformed: {malformed}")

    def _send(self, call: CloudCall) -> JsonValue:
        url = self._api.build_url(*call.path)
        fallback = None if call.also_posted is None else ("POST", url / call.also_posted)
        body = None if call.body is None else dict(call.body)
        said: JsonValue = self._api.request(
            call.method, url, fallback, options=dict(call.options), params=dict(call.params), json=body
        )
        return said


class _OneCall(HTTPAdapter):
    """Sends each request once and follows no redirect; reads answers to an end in time and size."""

    def __init__(self, settings: CloudSettings, clock: Clock, connections: int) -> None:
        super().__init__(pool_connections=1, pool_maxsize=connections)
        self._clock = clock
        self._connect = settings.connect_timeout.total_seconds()
        self._whole = settings.timeout.total_seconds()

    def send(  # noqa: PLR0917 - the signature is requests' own
        self,
        request: PreparedRequest,
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002 - the signature is requests' own
        timeout: Any = None,  # noqa: ARG002 - as above
        verify: Any = True,  # noqa: FBT002 - as above
        cert: Any = None,
        proxies: Any = None,
    ) -> Response:
        until = self._clock.monotonic() + self._whole
        times = (self._connect, self._whole)
        answer = super().send(request, stream=True, timeout=times, verify=verify, cert=cert, proxies=proxies)
        body = self._read(answer, until)
        if not HTTPStatus.OK <= answer.status_code < HTTPStatus.MULTIPLE_CHOICES:
            raise _Answered(Answer(answer.status_code, body, answer.headers.get("Retry-After")))
        answer.raw = BytesIO(body)
        return answer

    def _read(self, answer: Response, until: float) -> bytes:
        body = bytearray()
        try:
            # one reading of the socket at a time, so that a slow drip cannot hold the thread for ever
            while chunk := answer.raw.read1(CHUNK, decode_content=True):
                body += chunk
                if len(body) > LARGEST_ANSWER:
                    raise _AnswerLost(f"its answer was longer than {LARGEST_ANSWER} bytes")
                if self._clock.monotonic() > until:
                    raise _AnswerLost(f"no whole answer within {self._whole:g} s")
        except HTTPError as cause:
            raise _AnswerLost(f"its answer broke off ({type(cause).__name__})") from cause
        finally:
            answer.close()  # a connection whose answer was read to its end is back in the pool already
        return bytes(body)


def _failed(failure: RequestException) -> NotDone | Unknown:
    """Tell what never left from what may have arrived; in words without addresses or secrets."""
    if isinstance(failure, UNSENDABLE):
        return NotDone(Why.UNREACHED, "its address or our key cannot be sent")
    for cause in _causes(failure):
        match cause:
            case NameResolutionError():
                return NotDone(Why.UNREACHED, "its name is not known")
            case ConnectTimeoutError():  # also when nobody listens
                return NotDone(Why.UNREACHED, "no connection came about")
            case ssl.SSLCertVerificationError():
                return NotDone(Why.UNREACHED, "its certificate is not to be trusted")
    if isinstance(failure, Timeout):
        return Unknown("no answer came in time")
    return Unknown(f"the connection failed ({type(failure).__name__})")


def _causes(failure: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = failure
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
