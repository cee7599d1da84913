"""Errors that the application behind the edge raises, in the UDC form."""

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.web.http.call import Answer, call_of
from airtable_connector.web.http.errors import MalformedJson, MalformedRequest, MethodNotAllowed, RouteUnknown
from airtable_connector.web.http.problems import Problems

MOST_MISTAKES = 20
"""Mistakes of one request that are listed."""


def install_problems(app: FastAPI, problems: Problems) -> None:
    """Give an application behind the edge our error form for everything that its routes raise."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, ConnectorError)
        return _response(problems.answer(error, call_of(request.scope).trace_id))

    async def misshapen(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return _response(problems.answer(_leaf_of(error), call_of(request.scope).trace_id))

    async def stopped(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        call = call_of(request.scope)
        if error.status_code == 404:
            return _response(problems.answer(RouteUnknown(call.path), call.trace_id))
        allowed = (error.headers or {}).get("Allow")
        if error.status_code == 405 and allowed is not None:
            return _response(problems.answer(MethodNotAllowed(call.method, allowed.split(", ")), call.trace_id))
        headers = tuple(
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (error.headers or {}).items()
        )
        return _response(problems.plain(error.status_code, str(error.detail), call.trace_id, headers))

    async def broken(request: Request, _error: Exception) -> Response:
        return _response(problems.internal(call_of(request.scope).trace_id))  # the edge writes it down

    app.add_exception_handler(ConnectorError, refused)
    app.add_exception_handler(RequestValidationError, misshapen)
    app.add_exception_handler(HTTPException, stopped)
    app.add_exception_handler(Exception, broken)


def _leaf_of(error: RequestValidationError) -> ConnectorError:
    mistakes = [
        {"field": ".".join(map(str, mistake["loc"])), "message": mistake["msg"], "type": mistake["type"]}
        for mistake in error.errors()[:MOST_MISTAKES]
    ]
    first = mistakes[0]
    if first["type"] == "json_invalid":
        return MalformedJson(first["field"])
    return MalformedRequest(
        f"{first['field']}: {first['message']}",
        field=first["field"],
        hint="/openapi.json describes the request",
        facts={"mistakes": mistakes},
    )


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status, media_type=answer.media_type.decode("ascii"))
    for name, value in answer.headers:
        response.headers[name.decode("latin-1")] = value.decode("latin-1")
    return response
