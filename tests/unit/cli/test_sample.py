from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from airtable_connector.cli.sample import (
    BEATS_PER_CELL,
    DEVELOPERS,
    SampleBase,
    large_sample,
    sample_base,
    sample_tables,
)
from airtable_connector.kernel.clock import parse_iso
from airtable_connector.records import STANDARD_TABLES
from airtable_connector.settings import read_settings

NOW = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def base() -> SampleBase:
    return sample_base(NOW)


def test_the_same_moment_and_seed_make_the_same_data(base: SampleBase) -> None:
    assert sample_base(NOW) == base
    assert sample_base(NOW, seed=3) != base
    assert sample_base(NOW + timedelta(hours=1)).heartbeats != base.heartbeats


def test_every_row_fits_the_standard_tables(base: SampleBase) -> None:
    tables = {table.name: table for table in STANDARD_TABLES}
    for name, rows in base.tables().items():
        fields = {field.name: field for field in tables[name].fields}
        for row in rows:
            assert row.keys() <= fields.keys()
            for field_name, value in row.items():
                choices = fields[field_name].options.get("choices")
                assert choices is None or value in [choice["name"] for choice in choices]


def test_it_has_the_size_of_a_real_base(base: SampleBase) -> None:
    assert {name: len(rows) for name, rows in base.tables().items() if name != "Heartbeats"} == {
        "Cells": 24,
        "Sprints": 400,
        "Proof": 350,
    }
    assert 23 * BEATS_PER_CELL < len(base.heartbeats) <= 24 * BEATS_PER_CELL
    assert {sprint["Dev_Name"] for sprint in base.sprints} == set(DEVELOPERS)
    assert len(DEVELOPERS) == 12


def test_keys_are_unique(base: SampleBase) -> None:
    for rows, key in ((base.sprints, "Sprint_ID"), (base.proofs, "Proof_ID"), (base.cells, "Cell_ID")):
        assert len({row[key] for row in rows}) == len(rows)


def test_most_work_is_done_and_what_is_done_has_a_passed_proof(base: SampleBase) -> None:
    statuses = Counter(sprint["Status"] for sprint in base.sprints)
    assert statuses["Done"] > statuses["Pending"] > 0
    assert statuses["Active"] > 0
    passed = {proof["Sprint_ID"] for proof in base.proofs if str(proof["Result"]).startswith("passed")}
    assert passed == {sprint["Sprint_ID"] for sprint in base.sprints if sprint["Status"] == "Done"}
    assert all(("Proof_URL" in sprint) == (sprint["Status"] == "Done") for sprint in base.sprints)


def test_heartbeats_are_a_day_that_ends_now(base: SampleBase) -> None:
    moments = [parse_iso(str(beat["Timestamp"])) for beat in base.heartbeats]
    assert moments == sorted(moments)
    assert moments[-1] == NOW
    assert NOW - moments[0] < timedelta(days=1)


def test_the_afternoon_is_busier_than_the_night(base: SampleBase) -> None:
    def mean_at(hour: int) -> float:
        usage = [float(str(beat["CPU_Usage"])) for beat in base.heartbeats if f"T{hour:02d}:" in str(beat["Timestamp"])]
        return sum(usage) / len(usage)

    assert mean_at(15) > mean_at(3) + 15
    assert all(0 <= float(str(beat[name])) <= 100 for beat in base.heartbeats for name in ("CPU_Usage", "RAM_Usage"))


def test_a_cell_with_a_warning_beats_above_the_limit_all_day(base: SampleBase) -> None:
    limit = read_settings({}).heartbeats.high_percent
    above = {beat["Cell_ID"] for beat in base.heartbeats if float(str(beat["CPU_Usage"])) >= limit}
    below = {beat["Cell_ID"] for beat in base.heartbeats if float(str(beat["CPU_Usage"])) < limit}
    assert above == {cell["Cell_ID"] for cell in base.cells if cell["Health_Status"] == "Warning"}
    assert above & below == set()


def test_an_offline_cell_has_been_silent_for_hours(base: SampleBase) -> None:
    offline = {cell["Cell_ID"] for cell in base.cells if cell["Health_Status"] == "Offline"}
    assert offline
    for cell in offline:
        last = max(parse_iso(str(beat["Timestamp"])) for beat in base.heartbeats if beat["Cell_ID"] == cell)
        assert NOW - last >= timedelta(hours=5)


def test_the_demo_gets_the_tables_by_name(base: SampleBase) -> None:
    assert sample_tables(NOW) == base.tables()


@pytest.mark.parametrize("records", [100, 1_234])
def test_a_large_sample_has_so_many_records_that_fit_together(records: int) -> None:
    tables = large_sample(NOW, records)
    assert sum(len(rows) for rows in tables.values()) == records
    assert "Heartbeats" not in tables
    sprints = {sprint["Sprint_ID"] for sprint in tables["Sprints"]}
    assert len(sprints) == len(tables["Sprints"])
    assert {proof["Sprint_ID"] for proof in tables["Proof"]} <= sprints
