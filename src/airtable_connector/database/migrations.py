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
)
