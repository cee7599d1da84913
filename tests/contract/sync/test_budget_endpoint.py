"""``GET /budget`` over a real budget on either store."""

import json
from datetime import timedelta
from typing import Any

import jsonschema_rs
import pytest
from tests.fakes import FakeClock, SpyObserver
from tests.unit.web.harness import ANYBODY, READER, Door, Reply

from airtable_connector.airtable import CloudCalled, Lane, Month
from airtable_connector.database import Database
from airtable_connector.sync.budget import Budget, BudgetSettings, Plan, attributed_to
from airtable_connector.web.document import describe
from airtable_connector.web.domain import BudgetShown
from airtable_connector.web.domain.budget import BudgetEndpoint
from airtable_connector.web.domain.envelopes import Envelopes

pytestmark = pytest.mark.anyio


async def ask(budget: BudgetShown | None, *, token: str = READER, query: bytes = b"") -> Reply:
    endpoint = BudgetEndpoint(budget, Envelopes(FakeClock(), records_alias=True))
    return await Door(hot={"/budget": {"GET": endpoint.show}}).ask("GET", "/budget", token=token, query=query)


def check(answered: Any) -> None:
    document = json.loads(describe())
    schema = {**document["components"]["schemas"]["BudgetShown"], "components": document["components"]}
    jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(answered)


@pytest.mark.parametrize("plan", Plan)
@pytest.mark.parametrize("calls", [0, 700, 2_000])
async def test_it_answers_as_the_document_says(database: Database, plan: Plan, calls: int) -> None:
    budget = Budget(BudgetSettings(plan), database, clock=FakeClock(), observer=SpyObserver())
    with attributed_to([5, 8]):
        for lane in Lane:
            budget.observer.saw(CloudCalled("list", lane, "Done", "", timedelta(0), timedelta(0)))
    await budget.ledger.add(Month(2026, 1), calls)
    await budget.round_once()

    reply = await ask(budget)
    assert reply.status == 200
    answered = json.loads(reply.body)
    check(answered)
    assert answered["data"]["plan"] == plan.value
    assert answered["data"]["calls"] == calls
    assert len(answered["data"]["purposes"]) == len(Lane)
    assert answered["data"]["callers"] == [{"droplet": 5, "calls": 2.5}, {"droplet": 8, "calls": 2.5}]


async def test_a_base_that_is_kept_here_alone_has_none() -> None:
    reply = await ask(None)
    assert reply.status == 404
    assert reply.error["details"]["reason"] == "no-budget"


async def test_it_needs_the_permission_to_read_and_takes_no_parameters() -> None:
    assert (await ask(None, token=ANYBODY)).status == 403
    assert (await ask(None, query=b"month=2026-01")).status == 422
