"""The shape that every operation of Airtable's Web API has."""

from collections.abc import Sequence
from typing import Final

from airtable_connector.web.airtable_api.scopes import Scope
from airtable_connector.web.document.airtable_answers import EVERYWHERE, airtable_refusals
from airtable_connector.web.document.answers import FRESHNESS, ON_ITS_WAY, QUOTA, SETTLED, header_refs
from airtable_connector.web.document.parameters import parameter_ref
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


def written(described: Schema) -> Schema:
    """Let an operation that writes records also be answered as a mirror does."""
    done = described["responses"]["200"]
    done = {**done, "headers": done["headers"] | header_refs(*SETTLED)}
    accepted = {**done, "description": ON_ITS_WAY, "headers": done["headers"] | header_refs("LocationOfReceipt")}
    parameters = [*described["parameters"], parameter_ref("Prefer")]
    return {
        **described,
        "parameters": parameters,
        "responses": {**described["responses"], "200": done, "202": accepted},
    }


def fresh(described: Schema) -> Schema:
    """Let an operation that reads records tell how fresh a mirror is, and be asked for it."""
    found = described["responses"]["200"]
    found = {**found, "headers": found["headers"] | header_refs(*FRESHNESS)}
    parameters = [*described["parameters"], parameter_ref("MaxStaleness")]
    responses = {**described["responses"], "200": found, **airtable_refusals(504)}
    return {**described, "parameters": parameters, "responses": responses}


def nothing(description: str) -> Schema:
    """Describe an answer without a body."""
    return {"description": description, "headers": header_refs(*QUOTA)}
