"""The shape that every operation has."""

from collections.abc import Mapping, Sequence

from airtable_connector.web.document.answers import EVERYWHERE, IDENTIFIED, refusals
from airtable_connector.web.document.shapes import Schema, ref


def operation(
    tag: str,
    name: str,
    summary: str,
    answers: Mapping[str, Schema],
    *,
    description: str = "",
    parameters: Sequence[Schema] = (),
    body: Schema | None = None,
    refused: Sequence[int] = (),
) -> Schema:
    """Describe one operation; ``refused`` are the errors that it may answer besides those that any may."""
    described: Schema = {"tags": [tag], "operationId": name, "summary": summary}
    if description:
        described["description"] = description
    if parameters:
        described["parameters"] = list(parameters)
    if body is not None:
        described["requestBody"] = body
    return {**described, "responses": {**answers, **refusals(*EVERYWHERE, *IDENTIFIED, *refused)}}


def public(described: Schema) -> Schema:
    """Let an operation be used without an identity."""
    answers = {number: each for number, each in described["responses"].items() if int(number) not in IDENTIFIED}
    return {**described, "security": [], "responses": answers}


def admin(described: Schema) -> Schema:
    """Let an operation be used only with the permission admin."""
    return {**described, "security": [{"bearer": ["admin"]}]}


def body_of(schema: str, example: object, *, required: bool = True) -> Schema:
    """Describe a body of JSON."""
    media = {"schema": ref(schema), "example": example}
    return {"required": required, "content": {"application/json": media}}
