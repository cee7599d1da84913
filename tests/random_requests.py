"""Random requests to a running service, made from an OpenAPI document, and what came of them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.engine import Status, events, from_schema
from schemathesis.openapi.checks import RejectedPositiveData
from tests.service import Service

EXAMPLES = 15
"""Random requests of each kind for each operation, besides those at the edges of each schema."""

METHODS = ("get", "post", "put", "patch", "delete")

Judge = Callable[[schemathesis.Case, schemathesis.Response], bool]
"""Tells whether a request was rightly refused, though its schema allows it."""


def by_example(document: Mapping[str, Any], method: str, path: str) -> dict[str, Any]:
    """Return the request that the document's examples make, as a client's ``request`` takes it."""
    operation = document["paths"][path][method]
    query: dict[str, Any] = {}
    for parameter in (_resolved(document, each) for each in operation.get("parameters", ())):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", str(parameter["example"]))
        elif parameter["in"] == "query" and parameter.get("required"):
            query[parameter["name"]] = parameter["example"]
    request = {"method": method, "url": path, "params": query}
    if "requestBody" in operation:
        request["json"] = operation["requestBody"]["content"]["application/json"]["example"]
    return request


def _resolved(document: Mapping[str, Any], thing: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in thing:
        return thing
    found: Any = document
    for name in thing["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


@dataclass
class Outcome:
    """What came of a run, by operation."""

    statuses: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    failures: list[str] = field(default_factory=list)

    @property
    def succeeded(self) -> set[str]:
        return {label for label, statuses in self.statuses.items() if statuses & {200, 201}}


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield method, path, item[method]


def labels(document: Mapping[str, Any]) -> set[str]:
    """Return the operations of a document as an outcome names them."""
    return {f"{method.upper()} {path}" for method, path, _ in operations(document)}


def ask_at_random(
    document: dict[str, Any],
    service: Service,
    *,
    rightly_refused: Judge,
    wanted: Callable[[schemathesis.Case], bool] = lambda _case: True,
    headers: Mapping[str, str] | None = None,
    examples: int = EXAMPLES,
    unchecked: Iterable[str] = (),
    stateful: bool = True,
) -> Outcome:
    """Send what the document allows and what it forbids, and compare each answer with it.

    ``stateful`` also follows what is answered from one operation to the next.
    """
    config = schemathesis.Config.from_dict(
        {
            "base-url": service.address,
            "headers": {**service.headers(), **(headers or {})},
            "seed": 2,
            "workers": 1,
            "continue-on-failure": True,
            "generation": {"max-examples": examples, "database": "none", "no-shrink": True},
            # tokens have a test of their own: an address that sends many bad ones is soon no longer listened to
            "checks": {name: {"enabled": False} for name in ("ignored_auth", *unchecked)},
            "phases": {"stateful": {"enabled": stateful, "generation": {"max-examples": examples}}},
        }
    )
    schema = schemathesis.openapi.from_dict(document, config=config)

    @schema.hook
    def filter_case(_context: Any, case: schemathesis.Case) -> bool:
        return wanted(case)

    @schema.hook
    def filter_failure(
        _context: Any, failure: Failure, case: schemathesis.Case, response: schemathesis.Response
    ) -> bool:
        return not (isinstance(failure, RejectedPositiveData) and rightly_refused(case, response))

    outcome = Outcome()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            _note(event, outcome)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            outcome.failures.append(repr(getattr(event, "value", None) or getattr(event, "exception", None)))
    return outcome


def _note(event: events.ScenarioFinished, outcome: Outcome) -> None:
    recorder = event.recorder
    for number, checks in recorder.checks.items():
        interaction = recorder.interactions.get(number)
        answer = interaction.response if interaction else None
        label = recorder.cases[number].value.operation.label
        if answer is not None:
            outcome.statuses[label].add(answer.status_code)
        for check in checks:
            if check.status == Status.FAILURE and check.failure_info is not None:
                failure = check.failure_info.failure
                text = answer.text[:400] if answer is not None else "no answer"
                outcome.failures.append(
                    f"{label}: {failure.title}: {failure.message}\n{check.failure_info.code_sample[:600]}\n{text}"
                )
