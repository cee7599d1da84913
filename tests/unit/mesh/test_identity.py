import pytest

from airtable_connector.mesh import parse_droplet_id


@pytest.mark.parametrize(
    "value",
    [2, "2", " 2 ", "02", "droplet-2", "Droplet_2", "drop2", "drop2.fullpotential.ai", "DROP2.FULLPOTENTIAL.AI."],
)
def test_every_form_of_a_droplet_id_that_peers_use_is_read(value: object) -> None:
    assert parse_droplet_id(value) == 2


@pytest.mark.parametrize(
    "value",
    [
        True, 2.0, 0, -2, 2**31, 10**4000, "", "0", "-2", "2.0", "2.fullpotential.ai", "droplet-", "drop2..ai",
        "drop2x", "drop2 .ai", "\u0662", "recABC", "drop2." + "a" * 300, "9" * 11, "9" * 10, None, [2], {"id": 2}, b"2",
    ],
)  # fmt: skip
def test_what_is_no_droplet_id_is_none(value: object) -> None:
    assert parse_droplet_id(value) is None
