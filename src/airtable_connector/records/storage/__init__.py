"""The record store's SQL: literal text beside its only caller, for SQLite and PostgreSQL.

Nobody here commits: a caller opens the transaction or the snapshot and hands it in.
"""

from airtable_connector.records.storage.answers import (
    events_before,
    events_of_cause,
    forget_answers,
    forget_messages,
    keep_answer,
    kept_answer,
    log_event,
)
from airtable_connector.records.storage.base import (
    add_table,
    lock_head,
    move_head,
    read_head,
    read_tables,
    save_table,
    schema_changed,
    take_numbers,
    touch_head,
)
from airtable_connector.records.storage.comments import (
    Comment,
    add_comment,
    change_comment,
    comment_by_id,
    comments_before,
    count_comments,
    remove_comment,
    remove_comments_of,
)
from airtable_connector.records.storage.entries import (
    append_entries,
    drop_content,
    entries_after,
    entries_of_record,
    entries_of_table,
    entries_to_verify,
    last_changes,
    last_positions,
)
from airtable_connector.records.storage.links import (
    Link,
    add_links,
    few_referring,
    records_referring,
    records_referring_after,
    remove_links,
)
from airtable_connector.records.storage.questions import (
    find,
)
from airtable_connector.records.storage.recomputations import (
    Recomputation,
    count_recomputations,
    end_recomputation,
    keep_recomputation,
    next_recomputation,
    request_recomputation,
)
from airtable_connector.records.storage.records import (
    count_records,
    delete_records,
    insert_records,
    records_after,
    records_by_id,
    records_by_key,
    rename_choices,
    update_records,
)
from airtable_connector.records.storage.rows import (
    record_from,
)

__all__ = [
    "Comment",
    "Link",
    "Recomputation",
    "add_comment",
    "add_links",
    "add_table",
    "append_entries",
    "change_comment",
    "comment_by_id",
    "comments_before",
    "count_comments",
    "count_recomputations",
    "count_records",
    "delete_records",
    "drop_content",
    "end_recomputation",
    "entries_after",
    "entries_of_record",
    "entries_of_table",
    "entries_to_verify",
    "events_before",
    "events_of_cause",
    "few_referring",
    "find",
    "forget_answers",
    "forget_messages",
    "insert_records",
    "keep_answer",
    "keep_recomputation",
    "kept_answer",
    "last_changes",
    "last_positions",
    "lock_head",
    "log_event",
    "move_head",
    "next_recomputation",
    "read_head",
    "read_tables",
    "record_from",
    "records_after",
    "records_by_id",
    "records_by_key",
    "records_referring",
    "records_referring_after",
    "remove_comment",
    "remove_comments_of",
    "remove_links",
    "rename_choices",
    "request_recomputation",
    "save_table",
    "schema_changed",
    "take_numbers",
    "touch_head",
    "update_records",
]
