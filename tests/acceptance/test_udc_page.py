"""docs/udc.md shows what the connector answers: its requests are sent as they stand there, its answers compared.

When an answer has changed on purpose: ``python -m tests.udc_page`` writes the page's answers anew (half a minute). Read
what it changed, and mend the words around it.
"""

import json
import re
from dataclasses import replace

import pytest
from tests.udc_page import PAGE, Example, Heard, arrived, ask_all, comparable, examples, printed, requests_of, rewritten

from airtable_connector.web.document import describe
from airtable_connector.web.domain.messages import SYNONYMS

UDC = {
    "/health", "/capabilities", "/state", "/dependencies", "/message", "/send", "/version", "/reload-config",
    "/shutdown", "/emergency-stop",
}  # fmt: skip
"""The endpoints of UDC v1.0."""

BESIDE_IT = {"/register", "/messages", "/messages/{id}", "/messages/{id}/retry"}
"""What peers ask for, too."""


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text()


@pytest.fixture(scope="module")
def heard(page: str, tmp_path_factory: pytest.TempPathFactory) -> Heard:
    return ask_all(examples(page), tmp_path_factory.mktemp("udc"))


def test_every_answer_is_the_one_that_is_printed(page: str, heard: Heard) -> None:
    fixed = requests_of(page)
    wanted = examples(page)

    for example, told in zip(wanted, heard.answers, strict=True):
        assert told.status == example.printed.status, f"{_named(example)} answered {told}"
        assert comparable(told.body, fixed=fixed) == comparable(example.printed.body, fixed=fixed), _named(example)


def test_a_message_of_ours_arrives_as_it_is_printed(page: str, heard: Heard) -> None:
    fixed = requests_of(page)
    assert comparable(heard.arrived, fixed=fixed) == comparable(arrived(page), fixed=fixed)


def test_what_ends_the_process_has_ended_it_in_order(heard: Heard) -> None:
    assert heard.ended == {"/shutdown": 0, "/emergency-stop": 0}


def test_every_endpoint_of_the_contract_is_on_the_page(page: str) -> None:
    shown = {(example.method.lower(), _template(example.path)) for example in examples(page)}
    paths = json.loads(describe())["paths"]
    offered = {
        (method, path) for path in UDC | BESIDE_IT for method in paths[path] if method in {"post", "delete", "get"}
    }
    assert offered - shown == {("get", "/register")}, "whose POST is shown; they answer alike"


def test_every_word_that_a_message_may_use_is_on_the_page(page: str) -> None:
    table = page.partition("### What a message may ask")[2].partition("\n## ")[0]
    words = set(re.findall(r"`([a-z-]+)`", table))
    assert {*SYNONYMS, *SYNONYMS.values()} <= words


def test_an_answer_that_is_no_longer_true_is_noticed_and_written_anew(page: str, heard: Heard) -> None:
    assert rewritten(page, heard) == page

    other = replace(heard.answers[0], body={**heard.answers[0].body, "status": "failure"})
    changed = rewritten(page, replace(heard, answers=[other, *heard.answers[1:]]))

    assert examples(changed)[0].printed == other
    assert changed.count("\n```http\n") == page.count("\n```http\n")


def test_only_what_differs_each_time_is_compared_by_its_form() -> None:
    known, new = "6a1f0f5e-2c1d-4b57-9d7e-000000000001", "0f8fad5b-d9cb-469f-a165-70867728950e"
    value = {
        "trace_id": known,
        "cause": new,
        "at": "2026-01-31T12:00:00.123Z",
        "id": "recT5rq0Wn3xYz8Ka",
        "head": 7,
        "count": 7,
    }

    assert comparable(value, fixed=known) == {
        "trace_id": known, "cause": "<uuid>", "at": "0000-00-00T00:00:00.000Z", "id": "<record>", "head": "<number>",
        "count": 7,
    }  # fmt: skip


def test_a_long_answer_is_printed_in_lines_that_are_filled() -> None:
    value = {
        "id": 2,
        "words": ["word"] * 20,
        "inner": {"text": "x" * 90, "more": {"none": [], "yes": True}},
        "end": None,
    }

    assert json.loads(printed(value)) == value
    assert [line[:12] for line in printed(value).splitlines()] == [
        '{"id": 2,', ' "words": ["', '  "word", "w', ' "inner": {"', '  "more": {"', ' "end": null',
    ]  # fmt: skip


def _named(example: Example) -> str:
    return f"{example.method} {example.target} {example.body}"


def _template(path: str) -> str:
    return re.sub(r"^/messages/[^/]+", "/messages/{id}", path)
