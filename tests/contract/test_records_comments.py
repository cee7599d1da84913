"""Comments of records, on both stores."""

from datetime import timedelta

import pytest
from tests.factories.records import PROJECTS, Base, a_sprint
from tests.fakes import FakeClock

from airtable_connector.kernel.ids import RecordId
from airtable_connector.records import (
    LONGEST_COMMENT,
    SPRINTS,
    Comment,
    CommentNotFound,
    CommentOfAnother,
    CommentRefused,
    Create,
    Delete,
    ParentCommentNotFound,
    RecordNotFound,
)

pytestmark = pytest.mark.anyio

ADA, BOB = 5, 6
NOBODYS = "comAAAAAAAAAAAAAA"


@pytest.fixture
async def record(base: Base) -> RecordId:
    return RecordId(await base.create(SPRINTS, Sprint_ID="S-1"))


async def say(base: Base, record: RecordId, text: str, *, author: int = ADA, parent: str | None = None) -> Comment:
    return await base.workspace.comments.add(SPRINTS, record, text, author=author, parent=parent)


async def texts(base: Base, record: RecordId) -> list[str]:
    return [comment.text for comment in await base.workspace.comments.page(record, count=100)]


async def test_comments_are_listed_newest_first_page_by_page(base: Base, record: RecordId) -> None:
    for number in range(5):
        await say(base, record, f"{number}")
    comments = base.workspace.comments
    first = await comments.page(record, count=3)
    await comments.remove(record, first[-1].id, author=ADA)
    rest = await comments.page(record, before=first[-1].seq, count=3)
    assert [each.text for each in [*first, *rest]] == ["4", "3", "2", "1", "0"]


async def test_a_comment_keeps_who_wrote_it_and_when_it_was_changed(
    base: Base, record: RecordId, clock: FakeClock
) -> None:
    said = await say(base, record, "before")
    assert (said.author, said.changed_at) == (ADA, None)
    clock.step(timedelta(hours=1))
    changed = await base.workspace.comments.change(record, said.id, "after", author=ADA)
    assert (changed.text, changed.created_at, changed.changed_at) == (
        "after", said.created_at, "2026-01-05T13:00:00.000Z",
    )  # fmt: skip
    assert await base.workspace.comments.page(record, count=9) == [changed]


async def test_nobody_touches_the_comment_of_another(base: Base, record: RecordId) -> None:
    said = await say(base, record, "mine")
    with pytest.raises(CommentOfAnother):
        await base.workspace.comments.change(record, said.id, "yours", author=BOB)
    with pytest.raises(CommentOfAnother):
        await base.workspace.comments.remove(record, said.id, author=BOB)
    assert await texts(base, record) == ["mine"]


@pytest.mark.parametrize("comment", [NOBODYS, "com", "com\x00AAAAAAAAAAAAA", ""])
async def test_a_comment_is_found_only_beside_its_record(base: Base, record: RecordId, comment: str) -> None:
    with pytest.raises(CommentNotFound):
        await base.workspace.comments.change(record, comment, "x", author=ADA)
    with pytest.raises(ParentCommentNotFound):
        await say(base, record, "x", parent=comment)
    other = RecordId(await base.create(SPRINTS, Sprint_ID="S-2"))
    said = await say(base, other, "elsewhere")
    with pytest.raises(CommentNotFound):
        await base.workspace.comments.remove(record, said.id, author=ADA)


async def test_answers_stay_when_what_they_answer_is_removed(base: Base, record: RecordId) -> None:
    said = await say(base, record, "question")
    answer = await say(base, record, "answer", author=BOB, parent=said.id)
    await base.workspace.comments.remove(record, said.id, author=ADA)
    assert await base.workspace.comments.page(record, count=9) == [answer]
    assert answer.parent == said.id


@pytest.mark.parametrize("text", ["", " \n", "x" * (LONGEST_COMMENT + 1), "a\x00b", "\ud800"])
async def test_what_no_comment_can_be_is_refused(base: Base, record: RecordId, text: str) -> None:
    said = await say(base, record, "x" * LONGEST_COMMENT)
    with pytest.raises(CommentRefused):
        await say(base, record, text)
    with pytest.raises(CommentRefused):
        await base.workspace.comments.change(record, said.id, text, author=ADA)


async def test_a_record_that_is_removed_takes_its_comments_along(base: Base, record: RecordId) -> None:
    other = RecordId(await base.create(SPRINTS, Sprint_ID="S-2"))
    for each in (record, other):
        await say(base, each, "x")
    await base.do(Delete(SPRINTS, record))
    assert await base.workspace.comments.counts([record, other]) == {other: 1}
    with pytest.raises(RecordNotFound):
        await say(base, record, "too late")
    await base.do(Create(SPRINTS, {"Sprint_ID": "S-1"}, record=record))
    assert await texts(base, record) == []


async def test_a_comment_belongs_to_a_record_of_its_table(base: Base, record: RecordId) -> None:
    with pytest.raises(RecordNotFound):
        await base.workspace.comments.add(PROJECTS, record, "x", author=ADA, parent=None)


async def test_a_comment_is_no_change_of_its_record(base: Base, record: RecordId) -> None:
    before = base.workspace.head, await base.workspace.get(SPRINTS, record)
    await say(base, record, "x")
    await base.do(a_sprint(7))
    (change,) = await base.workspace.changes(after=before[0].seq, count=9)
    assert change.record != record
    assert await base.workspace.get(SPRINTS, record) == before[1]
