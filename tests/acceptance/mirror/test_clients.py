"""Airtable's clients as they are, pointed at a mirror: they see what they see at Airtable."""

from collections.abc import Iterator

import pytest
from tests.acceptance.airtable_api.conftest import Wire
from tests.acceptance.airtable_api.test_airtable_js import modules, test_a_walk_through_airtable_js
from tests.acceptance.airtable_api.test_pyairtable import (
    api,
    table,
    test_batches_of_any_size_are_sent_in_tens,
    test_records_are_created_read_changed_replaced_and_removed,
    test_upserts_tell_what_was_there,
)
from tests.acceptance.mirror.conftest import Mirrored
from tests.service import Service

__all__ = [
    "api",
    "modules",
    "table",
    "test_a_walk_through_airtable_js",
    "test_batches_of_any_size_are_sent_in_tens",
    "test_records_are_created_read_changed_replaced_and_removed",
    "test_upserts_tell_what_was_there",
]


@pytest.fixture
def served(mirror: Mirrored) -> Service:
    return mirror.here


@pytest.fixture
def wire(served: Service) -> Iterator[Wire]:
    with served.client() as client:
        yield Wire(client)
