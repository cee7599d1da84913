"""Verifying the change feed from its first entry to its head."""

from collections.abc import Callable

from airtable_connector.database import Database
from airtable_connector.records import storage
from airtable_connector.records.feed import GENESIS, Damage, Verified, lost_content, verify

STEP = 500


async def verify_feed(
    database: Database, *, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> Verified | Damage:
    """Check every entry's content, place and hash in one snapshot; name the first bad entry.

    ``progress`` is told the entries checked and the entries there are.
    """
    async with database.reading() as reader:
        head = await storage.read_head(reader)
        previous, seq, without_content = GENESIS, 0, 0
        while entries := await storage.entries_to_verify(reader, seq, STEP):
            for result in verify(entries, previous=previous, expected_seq=seq + 1):
                if isinstance(result, Damage):
                    return result
                previous, seq = result.hash, result.change.seq
                without_content += lost_content(result)
            progress(seq, head.seq)
    if seq != head.seq:
        return Damage(seq + 1, f"the entry is missing; the feed should reach {head.seq}")
    if previous != head.hash:
        return Damage(seq, "its hash is not the head that was recorded")
    return Verified(seq, previous, without_content)
