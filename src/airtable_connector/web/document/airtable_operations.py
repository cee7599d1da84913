"""The shape that every operation of Airtable's Web API has."""

from collections.abc import Sequence
from typing import Final

from airtable_connector.web.airtable_api.scopes import Scope
from airtable_connector.web.document.airtable_answers import EVERYWHERE, airtable_refusals
from airtable_connector.web.document.answers import QUOTA, header_refs
from airtable_connector.web.document.shapes import Schema

TAG: Final = "Airtable Web API"


def airtable_operation(
    name: str,
    summary: str,
    answered: Schema,
    needs: Scope | None,
    *,
    description: str = "",
    parameters: Sequence[Schema] = (),
    body: Schema | None = None,
    refused: Sequence[int] = (),
) -> Schema:
    """Describe one operation; ``refused`` are the refusals that it may answer besides those that any may.

    ``needs`` is the scope that it asks of a caller; None: whoever is known may use it.
    """
    described: Schema = {"tags": [TAG], "operationId": name, "summary": summary}
    if description:
        described["description"] = description
    if needs is not None:
        described["security"] = [{"bearer": [str(needs)]}]
    if parameters:
        described["parameters"] = list(parameters)
    if body is not None:
        described["requestBody"] = body
    return {**described, "responses": {"200": answered, **airtable_refusals(*EVERYWHERE, *refused)}}


def nothing(description: str) -> Schema:
    """Describe an answer without a body."""
    return {"description": description, "headers": header_refs(*QUOTA)}
