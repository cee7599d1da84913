"""The application behind the edge: endpoints that are rarely asked, and its errors in the UDC form.

The one module here that imports a web framework, which takes longer than all the rest of a start: `Behind` imports this
one when it is wanted.
"""

from collections.abc import Mapping

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.web.http.asgi import Receive, Scope, Send
from airtable_connector.web.http.call import Answer, call_of
from airtable_connector.web.http.errors import MalformedJson, MalformedRequest, MethodNotAllowed, RouteUnknown
from airtable_connector.web.http.problems import Problems
from airtable_connector.web.http.routes import RUN, Methods, Resource

MOST_MISTAKES = 20
"""Mistakes of one request that are listed."""


def application_of(paths: Mapping[str, Methods], problems: Problems) -> FastAPI:
    """Make an application of our endpoints and nothing else."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.router.redirect_slashes = False
    app.router.routes.extend(as_route(path, methods) for path, methods in paths.items())
    install_problems(app, problems)
    return app


class _Endpoints:
    """Endpoints of ours in the shape of an application, for a Starlette route."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        call = call_of(scope)
        call.route = self._resource.template
        await scope[RUN](self._resource.endpoint(call.method))


def as_route(path: str, methods: Methods) -> Route:
    """Make a Starlette route of our endpoints, to be put into the application behind the edge.

    It holds all methods of the path; `Call.path_params` has the placeholders' values.
    """
    resource = Resource(path, methods)
    return Route(path, _Endpoints(resource), methods=list(resource.methods), name=path)


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
