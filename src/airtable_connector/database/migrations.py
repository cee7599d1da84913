"""The database's own tables, and how every earlier version becomes the present one.

A migration is never edited once released; a change of mind is a new migration. ``feed`` and ``records`` hold what the
record store serves; the meaning of their columns is told in ``docs/architecture.md``.
"""

# ruff: noqa: ISC004 - a statement goes over several lines, and the comma ends it

from typing import NamedTuple


class Migration(NamedTuple):
    """One step: its number (1, 2, …), what it is for, and its statements for either database."""

    number: int
    name: str
    sqlite: tuple[str, ...]
    postgres: tuple[str, ...]


MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        1,
        "tables, records, feed and its chain",
        sqlite=(
            "create table tables (id text primary key, position integer not null, definition text not null,"
            " last_number integer not null default 0) strict",
            # ordinal is the order of creation and is never used twice; key is the natural key's text
            "create table records (ordinal integer primary key, id text not null unique, table_id text not null,"
            " key text, created_at text not null, modified_at text not null, changed integer not null,"
            " cells blob not null) strict",
            "create index records_by_table on records (table_id, ordinal)",
            "create index records_by_key on records (table_id, key) where key is not null",
            "create table feed (seq integer primary key, at text not null, table_id text not null,"
            " record_id text not null, action text not null, actor integer not null, cause text not null,"
            " before text, after text, digest blob not null, hash blob not null) strict",
            "create index feed_by_record on feed (record_id, seq)",
            "create index feed_by_table on feed (table_id, seq)",
            "create table chain (id integer primary key check (id = 1), seq integer not null, hash blob not null,"
            " ordinal integer not null) strict",
            "insert into chain values (1, 0, zeroblob(32), 0)",
        ),
        postgres=(
            "create table tables (id text primary key, position bigint not null, definition text not null,"
            " last_number bigint not null default 0)",
            "create table records (ordinal bigint primary key, id text not null unique, table_id text not null,"
            " key text, created_at text not null, modified_at text not null, changed bigint not null,"
            " cells jsonb not null)",
            "create index records_by_table on records (table_id, ordinal)",
            "create index records_by_key on records (table_id, key) where key is not null",
            "create table feed (seq bigint primary key, at text not null, table_id text not null,"
            " record_id text not null, action text not null, actor bigint not null, cause text not null,"
            " before text, after text, digest bytea not null, hash bytea not null)",
            "create index feed_by_record on feed (record_id, seq)",
            "create index feed_by_table on feed (table_id, seq)",
            "create table chain (id integer primary key check (id = 1), seq bigint not null, hash bytea not null,"
            " ordinal bigint not null)",
            "insert into chain values (1, 0, decode(repeat('00', 32), 'hex'), 0)",
        ),
    ),
    Migration(
        2,
        "answers kept for repeated requests, and the event log",
        sqlite=(
            "create table idempotency (actor integer not null, key text not null, fingerprint blob not null,"
            " status integer not null, headers text not null, body blob not null, at text not null,"
            " primary key (actor, key)) strict, without rowid",
            "create index idempotency_by_age on idempotency (at)",
            "create table events (seq integer primary key autoincrement, at text not null, kind text not null,"
            " actor integer not null, cause text not null, payload text not null) strict",
        ),
        postgres=(
            "create table idempotency (actor bigint not null, key text not null, fingerprint bytea not null,"
            " status integer not null, headers text not null, body bytea not null, at text not null,"
            " primary key (actor, key))",
            "create index idempotency_by_age on idempotency (at)",
            "create table events (seq bigint generated always as identity primary key, at text not null,"
            " kind text not null, actor bigint not null, cause text not null, payload text not null)",
        ),
    ),
    Migration(
        3,
        "heartbeats watched and rolled up, cursors of readers of the feed",
        sqlite=(
            "create table cursors (reader text primary key, seq integer not null) strict",
            "create table cell_watch (cell_id text primary key, last_beat_at text not null, interval_s real not null,"
            " verdict text not null, cpu real, ram real) strict",
            "create table beat_rollups (cell_id text not null, hour text not null, beats integer not null,"
            " cpu_count integer not null, cpu_sum real not null, cpu_min real, cpu_max real,"
            " ram_count integer not null, ram_sum real not null, ram_min real, ram_max real,"
            " primary key (cell_id, hour)) strict, without rowid",
            "create index beat_rollups_by_hour on beat_rollups (hour)",
        ),
        postgres=(
            "create table cursors (reader text primary key, seq bigint not null)",
            "create table cell_watch (cell_id text primary key, last_beat_at text not null,"
            " interval_s double precision not null, verdict text not null, cpu double precision,"
            " ram double precision)",
            "create table beat_rollups (cell_id text not null, hour text not null, beats bigint not null,"
            " cpu_count bigint not null, cpu_sum double precision not null, cpu_min double precision,"
            " cpu_max double precision, ram_count bigint not null, ram_sum double precision not null,"
            " ram_min double precision, ram_max double precision, primary key (cell_id, hour))",
            "create index beat_rollups_by_hour on beat_rollups (hour)",
        ),
    ),
    Migration(
        4,
        "messages to peers, and what is known of peers",
        sqlite=(
            # queue is the target as a name for its line of messages; state: queued, delivered, error, cancelled
            "create table outbox (seq integer primary key autoincrement, trace_id text not null unique,"
            " target text not null, queue text not null, message_type text not null, payload text not null,"
            " priority integer not null, retries integer not null, sender integer not null, cause text not null,"
            " state text not null, attempts integer not null, due_at text not null, created_at text not null,"
            " ended_at text, reply text) strict",
            "create index outbox_queued on outbox (queue, priority, seq) where state = 'queued'",
            "create index outbox_by_state on outbox (state, seq)",
            "create table outbox_attempts (trace_id text not null, number integer not null, at text not null,"
            " took_ms integer not null, status integer, reason text not null, primary key (trace_id, number))"
            " strict, without rowid",
            # one row for each queue that holds messages: when its first is due, and which process may send it until
            # when, so that two never send at once and out of order
            "create table outbox_queues (queue text primary key, due_at text not null, owner text not null,"
            " until text not null) strict",
            "create table peers (name text primary key, droplet integer, names text not null, endpoint text not null,"
            " listed_by text not null, listed_at text not null) strict",
            "create index events_by_cause on events (cause)",
        ),
        postgres=(
            "create table outbox (seq bigint generated always as identity primary key, trace_id text not null unique,"
            " target text not null, queue text not null, message_type text not null, payload text not null,"
            " priority integer not null, retries integer not null, sender bigint not null, cause text not null,"
            " state text not null, attempts integer not null, due_at text not null, created_at text not null,"
            " ended_at text, reply text)",
            "create index outbox_queued on outbox (queue, priority, seq) where state = 'queued'",
            "create index outbox_by_state on outbox (state, seq)",
            "create table outbox_attempts (trace_id text not null, number integer not null, at text not null,"
            " took_ms bigint not null, status integer, reason text not null, primary key (trace_id, number))",
            "create table outbox_queues (queue text primary key, due_at text not null, owner text not null,"
            " until text not null)",
            "create table peers (name text primary key, droplet bigint, names text not null, endpoint text not null,"
            " listed_by text not null, listed_at text not null)",
            "create index events_by_cause on events (cause)",
        ),
    ),
    Migration(
        5,
        "comments of records",
        sqlite=(
            # author is a droplet; parent is the id of the comment that is answered, which may be gone
            "create table comments (seq integer primary key autoincrement, id text not null unique,"
            " record_id text not null, author integer not null, text text not null, parent text,"
            " created_at text not null, changed_at text) strict",
            "create index comments_by_record on comments (record_id, seq)",
        ),
        postgres=(
            "create table comments (seq bigint generated always as identity primary key, id text not null unique,"
            " record_id text not null, author bigint not null, text text not null, parent text,"
            " created_at text not null, changed_at text)",
            "create index comments_by_record on comments (record_id, seq)",
        ),
    ),
    Migration(
        6,
        "access tokens",
        sqlite=(
            # hash is the key's SHA-256; scopes are separated by spaces; revision moves with every token made or revoked
            "create table access_tokens (id text primary key, hash blob not null unique, name text not null,"
            " scopes text not null, base text not null, droplet integer not null, created_at text not null,"
            " expires_at text not null, last_used_at text, revoked_at text) strict",
            "create table access_revision (id integer primary key check (id = 1), revision integer not null) strict",
        ),
        postgres=(
            "create table access_tokens (id text primary key, hash bytea not null unique, name text not null,"
            " scopes text not null, base text not null, droplet bigint not null, created_at text not null,"
            " expires_at text not null, last_used_at text, revoked_at text)",
            "create table access_revision (id integer primary key check (id = 1), revision bigint not null)",
        ),
    ),
    Migration(
        7,
        "webhooks and their payloads",
        sqlite=(
            # since is the feed position of its creation; told_to the number up to which its receiver was notified;
            # due_at when it is to be notified, and owner the process that does so until when
            "create table webhooks (id text primary key, created_at text not null, url text,"
            " specification text not null, scope_table text, mac_key text not null, since integer not null,"
            " next_payload integer not null, told_to integer not null, is_enabled integer not null,"
            " notifies integer not null, expires_at text not null, outline text, due_at text, owner text not null,"
            " until text not null, failures integer not null, last_success_at text, last_result text) strict",
            "create table webhook_payloads (hook text not null, number integer not null, at text not null,"
            " size integer not null, body text not null, primary key (hook, number)) strict",
            "create index webhook_payloads_by_age on webhook_payloads (at)",
        ),
        postgres=(
            "create table webhooks (id text primary key, created_at text not null, url text,"
            " specification text not null, scope_table text, mac_key text not null, since bigint not null,"
            " next_payload bigint not null, told_to bigint not null, is_enabled integer not null,"
            " notifies integer not null, expires_at text not null, outline text, due_at text, owner text not null,"
            " until text not null, failures integer not null, last_success_at text, last_result text)",
            "create table webhook_payloads (hook text not null, number bigint not null, at text not null,"
            " size integer not null, body text not null, primary key (hook, number))",
            "create index webhook_payloads_by_age on webhook_payloads (at)",
        ),
    ),
    Migration(
        8,
        "links by target, and computed cells that wait to be computed anew",
        sqlite=(
            # which records link to a record; ordinal is that of the record with the link
            "create table links (field_id text not null, target text not null, ordinal integer not null,"
            " primary key (field_id, target, ordinal)) strict, without rowid",
            "insert into links select distinct json_extract(field.value, '$.id'), link.value, records.ordinal"
            " from tables, json_each(tables.definition, '$.fields') field, records,"
            " json_each(records.cells, '$.' || json_extract(field.value, '$.id')) link"
            " where json_extract(field.value, '$.type') = 'multipleRecordLinks' and records.table_id = tables.id",
            # link_id and target are empty when all records of the table are meant
            "create table recomputations (table_id text not null, link_id text not null, target text not null,"
            " fields text not null, after_ordinal integer not null, through_ordinal integer not null,"
            " again_through integer not null, actor integer not null, cause text not null, turn integer not null,"
            " primary key (table_id, link_id, target)) strict, without rowid",
            "create index recomputations_by_turn on recomputations (turn)",
        ),
        postgres=(
            "create table links (field_id text not null, target text not null, ordinal bigint not null,"
            " primary key (field_id, target, ordinal))",
            "insert into links select distinct field ->> 'id', link, records.ordinal"
            " from tables, jsonb_array_elements(cast(tables.definition as jsonb) -> 'fields') field, records,"
            " jsonb_array_elements_text(records.cells -> (field ->> 'id')) link"
            " where field ->> 'type' = 'multipleRecordLinks' and records.table_id = tables.id",
            "create table recomputations (table_id text not null, link_id text not null, target text not null,"
            " fields text not null, after_ordinal bigint not null, through_ordinal bigint not null,"
            " again_through bigint not null, actor bigint not null, cause text not null, turn bigint not null,"
            " primary key (table_id, link_id, target))",
            "create index recomputations_by_turn on recomputations (turn)",
        ),
    ),
    Migration(
        9,
        "ids that records had before",
        sqlite=(
            # becomes is the id that the record has now, never a former one itself
            "create table former_ids (id text primary key, becomes text not null) strict, without rowid",
            "create index former_ids_by_present on former_ids (becomes)",
        ),
        postgres=(
            "create table former_ids (id text primary key, becomes text not null)",
            "create index former_ids_by_present on former_ids (becomes)",
        ),
    ),
    Migration(
        10,
        "calls to Airtable by month, purpose and caller; leases",
        sqlite=(
            # spent is 1 when Airtable said that the month's calls are used up
            "create table cloud_months (month text primary key, calls integer not null, spent integer not null) strict",
            "create table cloud_uses (day text not null, lane text not null, call text not null,"
            " calls integer not null, primary key (day, lane, call)) strict, without rowid",
            # a call that carries writes of several droplets is shared out among them
            "create table cloud_callers (month text not null, droplet integer not null, calls real not null,"
            " primary key (month, droplet)) strict, without rowid",
            # until is for people; who waits counts from the last renewal that it saw
            "create table leases (name text primary key, owner text not null, until text not null,"
            " renewal integer not null) strict",
        ),
        postgres=(
            "create table cloud_months (month text primary key, calls bigint not null, spent integer not null)",
            "create table cloud_uses (day text not null, lane text not null, call text not null,"
            " calls bigint not null, primary key (day, lane, call))",
            "create table cloud_callers (month text not null, droplet bigint not null,"
            " calls double precision not null, primary key (month, droplet))",
            "create table leases (name text primary key, owner text not null, until text not null,"
            " renewal bigint not null)",
        ),
    ),
    Migration(
        11,
        "heartbeats' rows at Airtable",
        sqlite=(
            # hour is empty for the row of a cell's newest beat. at: the beat's moment, or the hour; content: what the
            # row is to show; record_id, sent, sent_at: which record shows what, and of when; sending, tried_at: what
            # the last call carried, and when it began; state: empty, sending (its outcome is not known), sought (it
            # may be there under another id), doubted (it may be gone there); alone: 1 when it travels by itself
            "create table cloud_beats (hour text not null, cell text not null, at text not null, content text not null,"
            " record_id text, sent text, sent_at text, sending text, tried_at text, state text not null,"
            " alone integer not null, primary key (hour, cell)) strict, without rowid",
        ),
        postgres=(
            "create table cloud_beats (hour text not null, cell text not null, at text not null, content text not null,"
            " record_id text, sent text, sent_at text, sending text, tried_at text, state text not null,"
            " alone integer not null, primary key (hour, cell))",
        ),
    ),
    Migration(
        12,
        "writes on their way to Airtable",
        sqlite=(
            # open until ended_at is set; call is set while a call carries it or a look must tell what came of that;
            # record is the feed's id, target Airtable's; the keys are the table's own, where creates are found by it
            "create table intents (number integer primary key, table_id text not null, record_id text not null,"
            " target text not null, kind text not null, cells text not null, before text not null,"
            " actor integer not null, cause text not null, at text not null, turn integer not null,"
            " state text not null, most integer not null, call text, sent_at text, look_at text, key_before text,"
            " key_after text, result text not null, reason text not null, ended_at text) strict",
            "create index intents_by_turn on intents (turn, number) where ended_at is null and call is null",
            "create index intents_of_actor on intents (actor, turn) where ended_at is null",
            "create index intents_of_target on intents (target, number) where ended_at is null",
            "create index intents_lately on intents (target, ended_at) where ended_at is not null",
            "create index intents_by_call on intents (call) where call is not null",
            "create index intents_by_key_before on intents (table_id, key_before) where key_before is not null",
            "create index intents_by_key_after on intents (table_id, key_after) where key_after is not null",
            "create index intents_ended on intents (ended_at, number) where state = 'final'",
            "create index intents_dead on intents (number) where state = 'dead'",
            "create table cloud_ids (provisional text primary key, real text not null) strict, without rowid",
            "create index cloud_ids_by_real on cloud_ids (real)",
            "create table conflicts (intent integer not null, field_id text not null, table_id text not null,"
            " record_id text not null, ours text, theirs text, won text not null, at text not null,"
            " primary key (intent, field_id)) strict, without rowid",
            "create index conflicts_by_age on conflicts (at)",
        ),
        postgres=(
            "create table intents (number bigint primary key, table_id text not null, record_id text not null,"
            " target text not null, kind text not null, cells text not null, before text not null,"
            " actor bigint not null, cause text not null, at text not null, turn bigint not null,"
            " state text not null, most integer not null, call text, sent_at text, look_at text, key_before text,"
            " key_after text, result text not null, reason text not null, ended_at text)",
            "create index intents_by_turn on intents (turn, number) where ended_at is null and call is null",
            "create index intents_of_actor on intents (actor, turn) where ended_at is null",
            "create index intents_of_target on intents (target, number) where ended_at is null",
            "create index intents_lately on intents (target, ended_at) where ended_at is not null",
            "create index intents_by_call on intents (call) where call is not null",
            "create index intents_by_key_before on intents (table_id, key_before) where key_before is not null",
            "create index intents_by_key_after on intents (table_id, key_after) where key_after is not null",
            "create index intents_ended on intents (ended_at, number) where state = 'final'",
            "create index intents_dead on intents (number) where state = 'dead'",
            "create table cloud_ids (provisional text primary key, real text not null)",
            "create index cloud_ids_by_real on cloud_ids (real)",
            "create table conflicts (intent bigint not null, field_id text not null, table_id text not null,"
            " record_id text not null, ours text, theirs text, won text not null, at text not null,"
            " primary key (intent, field_id))",
            "create index conflicts_by_age on conflicts (at)",
        ),
    ),
    Migration(
        13,
        "what is known of the base at Airtable that is mirrored",
        sqlite=(
            # one row: the webhook that is read and up to where, the one before it until it is read to its end, when
            # the last complete answer was asked for, and the last changes of the schema as JSON
            "create table mirror (id integer primary key check (id = 1), hook text, url text, mac_key text not null,"
            " cursor integer not null, hook_state text not null, expires_at text, refreshed_at text, old_hook text,"
            " old_cursor integer not null, wanted integer not null, answered_at text, answered_cursor integer not null,"
            " answered_seq integer not null, schema_at text, changes text not null) strict",
            # phase is listing or whole; page leads to the next page of a listing; the ordinal up to which records were
            # compared, and what the comparison that is under way and the one before it found
            "create table mirror_tables (table_id text primary key, phase text not null, generation integer not null,"
            " page text, listed integer not null, whole_at text, compared_to integer not null, compare_began text,"
            " compared_at text, rows_found integer not null, cells_found integer not null, drift_rows integer not null,"
            " drift_cells integer not null) strict",
            # which records a listing has met; and which ones are to be read again, since and at the earliest when
            "create table mirror_seen (table_id text not null, record_id text not null,"
            " primary key (table_id, record_id)) strict, without rowid",
            "create table mirror_touched (table_id text not null, record_id text not null, kind text not null,"
            " since text not null, due_at text not null, primary key (table_id, record_id)) strict, without rowid",
        ),
        postgres=(
            "create table mirror (id integer primary key check (id = 1), hook text, url text, mac_key text not null,"
            " cursor bigint not null, hook_state text not null, expires_at text, refreshed_at text, old_hook text,"
            " old_cursor bigint not null, wanted bigint not null, answered_at text, answered_cursor bigint not null,"
            " answered_seq bigint not null, schema_at text, changes text not null)",
            "create table mirror_tables (table_id text primary key, phase text not null, generation bigint not null,"
            " page text, listed bigint not null, whole_at text, compared_to bigint not null, compare_began text,"
            " compared_at text, rows_found bigint not null, cells_found bigint not null, drift_rows bigint not null,"
            " drift_cells bigint not null)",
            "create table mirror_seen (table_id text not null, record_id text not null,"
            " primary key (table_id, record_id))",
            "create table mirror_touched (table_id text not null, record_id text not null, kind text not null,"
            " since text not null, due_at text not null, primary key (table_id, record_id))",
        ),
    ),
    Migration(
        14,
        "bases that clients make",
        sqlite=(
            # the service's own base has no row; which base a table is in, its definition tells
            "create table bases (id text primary key, name text not null, created_at text not null) strict",
            # empty: the service's own
            "alter table webhooks add column base text not null default ''",
        ),
        postgres=(
            "create table bases (id text primary key, name text not null, created_at text not null)",
            "alter table webhooks add column base text not null default ''",
        ),
    ),
    Migration(
        15,
        "comparisons of the whole mirror that somebody asked for",
        sqlite=(
            # one row: how many were asked for, up to which of them they were made, and what the last one found
            "create table mirror_checks (id integer primary key check (id = 1), wanted integer not null,"
            " made integer not null, found text not null) strict",
        ),
        postgres=(
            "create table mirror_checks (id integer primary key check (id = 1), wanted bigint not null,"
            " made bigint not null, found text not null)",
        ),
    ),
)
