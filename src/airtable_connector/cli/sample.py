"""Sample data that looks like a week of real work; the same moment and seed make the same data."""

import random  # noqa: TID251 - a generator of its own with a fixed seed; nothing here is meant to be unguessable
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import pi, sin
from typing import TypeAlias

from airtable_connector.kernel.clock import iso
from airtable_connector.kernel.jsonvalues import JsonValue

Row: TypeAlias = Mapping[str, JsonValue]
"""Field name to value, as the domain API takes it."""

SEED = 2
SPRINT_COUNT = 400
PROOF_COUNT = 350
CELL_COUNT = 24
BEAT_EVERY = timedelta(minutes=10)
BEATS_PER_CELL = 144
"""A day of beats."""

DEVELOPERS = (
    "Haythem", "Amira Ben Salah", "Jonas Weber", "Priya Nair", "Mateo Alvarez", "Chen Wei",
    "Olena Kovalenko", "Tunde Adeyemi", "Sofia Rossi", "Yuki Tanaka", "Liam Murphy", "Zainab Haddad",
)  # fmt: skip

_WORK = (
    "Retry {part} when the answer is late", "Add paging to {part}", "Cover {part} with contract tests",
    "Reduce memory of {part}", "Document {part}", "Fix race in {part}", "Move {part} to async calls",
    "Show {part} on the Dashboard", "Rotate keys of {part}", "Log trace ids in {part}", "Limit the rate of {part}",
    "Validate input of {part}", "Measure latency of {part}", "Deploy {part} to the second region",
    "Drop the old field from {part}", "Survive a restart in {part}",
)  # fmt: skip
_PARTS = (
    "the Registry client", "sprint import", "proof upload", "the heartbeat collector", "the Orchestrator bridge",
    "webhook intake", "cell provisioning", "the daily digest", "token renewal", "the Verifier queue", "cost reports",
    "the voice intake", "schema migration", "the message inbox", "the kanban board", "nightly backups",
)  # fmt: skip
_NOTES = (
    "Blocked for a day by an expired key.", "Pair work; review by the Verifier still to come.",
    "Measured before and after: p95 down by a third.", "Needs the new schema first.",
    "Split off the part that touches billing.", "Rollback tried on the staging cell.",
    "The owner asked for a shorter name.\nChanged in both places.", "Follow-up: remove the fallback in a month.",
)  # fmt: skip
_PASSED: tuple[str, ...] = (
    "passed: {n} of {n} checks", "passed: all {n} tests green, coverage 86 %",
    "passed: contract suite, {n} cases", "passed: load test, {n} requests a second",
)  # fmt: skip
_FAILED: tuple[str, ...] = (
    "failed: {n} checks, timeout after 30 s", "failed: /health answered 503",
    "failed: {n} tests red", "failed: signature does not match",
)  # fmt: skip
_WAITING: tuple[str, ...] = ("pending: waits for the Verifier",)

_STATUSES = (("Done", 62), ("Active", 16), ("Pending", 22))
"""Share of sprints in each status, percent."""

_ROLES = ("Builder", "Builder", "Builder", "Verifier", "Connector")
_COST_PER_HOUR = {"Builder": 0.0832, "Verifier": 0.0416, "Connector": 0.0208}
_ILL = {7: "Warning", 15: "Offline", 19: "Warning"}
"""Cells that are not OK, by their number."""

_SILENT_FOR_BEATS = 30
"""An Offline cell stopped beating five hours ago."""


@dataclass(frozen=True)
class SampleBase:
    """Rows by table. A heartbeat's ``Timestamp`` is computed by the store; here it says when the beat happened."""

    sprints: Sequence[Row]
    proofs: Sequence[Row]
    cells: Sequence[Row]
    heartbeats: Sequence[Row]

    def tables(self) -> Mapping[str, Sequence[Row]]:
        """Return the rows under their tables' names, in an order in which they can be written."""
        return {"Cells": self.cells, "Sprints": self.sprints, "Proof": self.proofs, "Heartbeats": self.heartbeats}


def sample_tables(now: datetime) -> Mapping[str, Sequence[Row]]:
    """Make the sample base that the demo loads, rows by table name."""
    return sample_base(now).tables()


def large_sample(now: datetime, records: int) -> Mapping[str, Sequence[Row]]:
    """Make a sample base of so many records, at least 100, rows by table name; it has no heartbeats."""
    sprints = (records - CELL_COUNT) * SPRINT_COUNT // (SPRINT_COUNT + PROOF_COUNT)
    made = sample_base(now, sprint_count=sprints, proof_count=records - CELL_COUNT - sprints)
    return {name: rows for name, rows in made.tables().items() if name != "Heartbeats"}


def sample_base(
    now: datetime, seed: int = SEED, *, sprint_count: int = SPRINT_COUNT, proof_count: int = PROOF_COUNT
) -> SampleBase:
    """Make a base as it would look at ``now``: its heartbeats end there, its proofs reach 60 days back."""
    dice = random.Random(seed)  # noqa: S311 - as above
    sprints = [_sprint(dice, number) for number in range(1, sprint_count + 1)]
    cells = [_cell(number) for number in range(1, CELL_COUNT + 1)]
    return SampleBase(
        sprints=sprints,
        proofs=_proofs(dice, sprints, proof_count, now),
        cells=cells,
        heartbeats=_heartbeats(dice, now),
    )


def _sprint(dice: random.Random, number: int) -> dict[str, JsonValue]:
    status = dice.choices([name for name, _ in _STATUSES], [share for _, share in _STATUSES])[0]
    row: dict[str, JsonValue] = {
        "Sprint_ID": f"SPRINT-{number:04d}",
        "Name": dice.choice(_WORK).format(part=dice.choice(_PARTS)),
        "Dev_Name": dice.choice(DEVELOPERS),
        "Status": status,
    }
    if status == "Done":
        row["Proof_URL"] = f"https://proof.fullpotential.ai/SPRINT-{number:04d}"
    if status != "Pending":
        # quarter hours: a few short, most between two and twelve, some long
        row["Time_Spent_hr"] = round(min(40.0, dice.gammavariate(3.0, 2.2)) * 4) / 4 + 0.25
    if dice.random() < 0.4:
        row["Notes"] = dice.choice(_NOTES)
    return row


def _proofs(dice: random.Random, sprints: Sequence[Row], count: int, now: datetime) -> list[Row]:
    tries = [(sprint["Sprint_ID"], _PASSED) for sprint in sprints if sprint["Status"] == "Done"][:count]
    active = [sprint["Sprint_ID"] for sprint in sprints if sprint["Status"] == "Active"]
    # what is done passed once; the others are tries of what is still worked on
    tries += [(dice.choice(active), dice.choices((_FAILED, _WAITING), (70, 30))[0]) for _ in range(len(tries), count)]
    moments = sorted(now - timedelta(seconds=dice.randrange(60 * 86_400)) for _ in tries)
    dice.shuffle(tries)
    return [
        {
            "Proof_ID": f"PROOF-{number:04d}",
            "Sprint_ID": sprint_id,
            "Result": dice.choice(results).format(n=dice.randrange(3, 180)),
            "Token": f"{dice.getrandbits(128):032x}",
            "Timestamp": iso(moment),
        }
        for number, ((sprint_id, results), moment) in enumerate(zip(tries, moments, strict=True), start=1)
    ]


def _cell(number: int) -> Row:
    role = _ROLES[number % len(_ROLES)]
    return {
        "Cell_ID": f"CELL-{number:02d}",
        "Role": role,
        "IP_Address": f"10.0.{number % 4}.{10 + number}",
        "Health_Status": _ILL.get(number, "OK"),
        "Cost_per_hr": _COST_PER_HOUR[role],
    }


def _heartbeats(dice: random.Random, now: datetime) -> list[Row]:
    moods = [(dice.uniform(18, 45), dice.uniform(35, 60)) for _ in range(CELL_COUNT)]
    return [
        _beat(dice, number, now - BEAT_EVERY * back, moods[number - 1])
        for back in reversed(range(BEATS_PER_CELL))
        for number in range(1, CELL_COUNT + 1)
        if _ILL.get(number) != "Offline" or back >= _SILENT_FOR_BEATS
    ]


def _beat(dice: random.Random, number: int, moment: datetime, mood: tuple[float, float]) -> Row:
    # the day's curve has its low at three in the night and its high at three in the afternoon, UTC
    hour = moment.hour + moment.minute / 60
    daily = sin((hour - 9) * pi / 12)
    strained = _ILL.get(number) == "Warning"
    cpu = dice.uniform(91, 99) if strained else mood[0] + 15 * daily + dice.gauss(0, 4)
    ram = mood[1] + 6 * daily + dice.gauss(0, 2)
    return {
        "Cell_ID": f"CELL-{number:02d}",
        "CPU_Usage": round(min(99.9, max(0.5, cpu)), 1),
        "RAM_Usage": round(min(99.9, max(5.0, ram)), 1),
        "Status": "Warning" if strained else "OK",
        "Timestamp": iso(moment),
    }
