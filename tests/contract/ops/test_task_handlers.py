"""What tasks do, on both stores."""

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from datetime import time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from airtable_connector.compose.errors import SyncNotDone, TaskNotUnderstood
from airtable_connector.compose.exporting import MOST_EXPORTS
from airtable_connector.compose.task_handlers import SYNC_WITHIN, NothingToSyncWith, task_handlers
from airtable_connector.mesh import TaskHandler
from airtable_connector.ops import DailyDigest, DigestSettings
from airtable_connector.records import (
    CELLS,
    DAILY_DIGEST,
    SPRINTS,
    Create,
    UnknownTable,
)
from airtable_connector.sync.mirror import MirrorPosition
from airtable_connector.web.domain import DomainMessages

pytestmark = pytest.mark.anyio

TASK = {"task_id": 7, "trace_id": "00000000-0000-4000-8000-000000000007"}


@pytest.fixture
def handlers(base, tmp_path: Path) -> Mapping[str, TaskHandler]:
    digest = DailyDigest(
        base.workspace,
        base.database,
        clock=base.clock,
        ids=base.ids,
        observer=base.observer,
        settings=DigestSettings(2, time(6), ZoneInfo("UTC")),
    )
    words = DomainMessages(base.workspace, collections={"sprints": SPRINTS.name}, digest=digest, facts={})
    return task_handlers(
        digest=digest, database=base.database, words=words, exports=tmp_path / "exports", mirror=None, droplet=2
    )


async def test_a_query_is_answered_as_a_message_would_be(base, handlers) -> None:
    await base.write(Create(SPRINTS, {"Sprint_ID": "a"}))
    answer = await handlers["query"]({**TASK, "query": "sprints"})
    assert "Sprint_ID" in json.dumps(answer)


async def test_a_digest_is_written_for_the_day_that_is_asked_for_and_today_without_one(base, handlers) -> None:
    today = await handlers["digest"](TASK)
    assert (today["date"], today["summary"]["total_sprints_in_system"]) == ("2026-01-05", 0)
    assert (await handlers["digest"]({**TASK, "date": "2026-01-04"}))["date"] == "2026-01-04"
    assert [row["Date"] for row in await base.cells(DAILY_DIGEST.name)] == ["2026-01-05", "2026-01-04"]
    json.dumps(today)  # a result must be JSON


async def test_a_digest_done_again_is_the_same_row(base, handlers) -> None:
    for _ in range(2):
        await handlers["digest"](TASK)
    assert len(await base.cells(DAILY_DIGEST.name)) == 1


async def test_an_export_is_a_file_named_after_its_task_and_described_by_its_result(
    base, handlers, tmp_path: Path
) -> None:
    await base.write(Create(SPRINTS, {"Sprint_ID": "a"}), Create(CELLS, {"Cell_ID": "b"}))
    result = await handlers["export"](TASK)

    file = tmp_path / "exports" / "task-7.jsonl"
    assert result["file"] == file.name
    assert result["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (result["rows"], result["tables"]["Sprints"], result["tables"]["Cells"]) == (2, 1, 1)
    assert len(file.read_bytes().splitlines()) == 3
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_an_export_of_one_table_as_csv(base, handlers, tmp_path: Path) -> None:
    await base.write(Create(SPRINTS, {"Sprint_ID": "a"}), Create(CELLS, {"Cell_ID": "b"}))
    result = await handlers["export"]({**TASK, "table": "Cells", "format": "csv"})
    assert (result["file"], result["rows"]) == ("task-7.csv", 1)
    assert (tmp_path / "exports" / "task-7.csv").read_text().splitlines()[1].split(",")[2] == "b"


async def test_an_export_that_fails_leaves_no_file(handlers, tmp_path: Path) -> None:
    with pytest.raises(UnknownTable):
        await handlers["export"]({**TASK, "tables": ["Sprnts"]})
    assert list((tmp_path / "exports").iterdir()) == []


async def test_the_oldest_export_goes_when_there_are_too_many(handlers, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    for number in range(MOST_EXPORTS):
        file = folder / f"task-{1_000 + number}.csv"
        file.touch()
        os.utime(file, (number, number))
    await handlers["export"](TASK)
    assert len(list(folder.iterdir())) == MOST_EXPORTS
    assert not (folder / "task-1000.csv").exists()
    assert (folder / "task-7.jsonl").exists()


class Followed:
    """A mirror that becomes as fresh as it is asked to be, or does not."""

    position = MirrorPosition(4, 9)
    age = timedelta(seconds=2)

    def __init__(self, *, reaches: bool) -> None:
        self._reaches = reaches

    async def reach(self, max_age: timedelta, *, within: timedelta) -> bool:
        assert (max_age, within) == (timedelta(0), SYNC_WITHIN)
        return self._reaches


def with_mirror(base, mirror: Followed) -> Mapping[str, TaskHandler]:
    unused: Any = None
    return task_handlers(digest=unused, database=base.database, words=unused, exports=unused, mirror=mirror, droplet=2)


async def test_a_sync_of_a_mirror_tells_its_position_and_age_once_everything_is_here(base) -> None:
    done = await with_mirror(base, Followed(reaches=True))["sync"](TASK)
    assert done == {"position": {"cursor": 4, "seq": 9}, "age_seconds": 2.0}
    with pytest.raises(SyncNotDone):
        await with_mirror(base, Followed(reaches=False))["sync"](TASK)


async def test_a_whole_chain_is_said_to_be_whole(base, handlers) -> None:
    await base.write(Create(SPRINTS, {"Sprint_ID": "a"}))
    assert await handlers["verify_chain"](TASK) == {
        "intact": True,
        "entries": 1,
        "head": base.workspace.head.hash.hex(),
        "without_content": 0,
    }


async def test_a_broken_chain_is_a_result_that_names_the_place(base, handlers) -> None:
    await base.write(Create(SPRINTS, {"Sprint_ID": "a"}), Create(SPRINTS, {"Sprint_ID": "b"}))
    async with base.database.transaction() as tx:
        await tx.run("update feed set cause = 'somebody else' where seq = 2")
    found = await handlers["verify_chain"](TASK)
    assert (found["intact"], found["first_bad_entry"]) == (False, 2)


async def test_a_base_that_is_its_own_truth_is_not_synced(handlers) -> None:
    with pytest.raises(NothingToSyncWith):
        await handlers["sync"](TASK)


@pytest.mark.parametrize(
    ("kind", "payload", "member"),
    [
        ("digest", {"date": "yesterday"}, "date"),
        ("digest", {"date": 20260131}, "date"),
        ("export", {"tables": {"a": 1}}, "tables"),
        ("export", {"tables": ["Sprints", 7]}, "tables"),
        ("export", {"format": "xlsx"}, "format"),
    ],
)
async def test_a_payload_that_cannot_be_used_names_the_member(handlers, kind: str, payload, member: str) -> None:
    with pytest.raises(TaskNotUnderstood) as refused:
        await handlers[kind]({**TASK, **payload})
    assert refused.value.field == member
