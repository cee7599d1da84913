"""``docs/udc.md`` shows requests and answers as they are."""

from pathlib import Path

from tests.udc_page import PAGE, ask, comparable, droplet, examples

ENDPOINTS = {
    "GET /health", "GET /capabilities", "GET /state", "GET /dependencies", "POST /message", "POST /send",
    "GET /version", "POST /shutdown", "DELETE /shutdown", "POST /reload-config", "POST /emergency-stop",
    "POST /register",
}  # fmt: skip


def test_every_example_of_the_page_is_answered_as_printed(tmp_path: Path) -> None:
    printed = examples(PAGE.read_text(encoding="utf-8"))
    assert {str(example) for example in printed} >= ENDPOINTS
    with droplet(tmp_path) as client:
        answered = [(str(example), comparable(ask(client, example))) for example in printed]
    assert answered == [(str(example), comparable(example.answer)) for example in printed]
