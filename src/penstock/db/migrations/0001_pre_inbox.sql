-- The inbox: what was accepted. One narrow row a message, its bytes in time partitions, its identity for ever.

create sequence inbox_id_seq as bigint cache 1;

create table inbox (
    id          bigint primary key default nextval('inbox_id_seq'),
    lane        bigint not null,            -- one patient at one source: processed in the order of id
    received_at timestamptz not null,
    next_at     timestamptz,                -- postponed: not before this
    done_at     timestamptz,                -- stored, filtered or quarantined since
    attempts    integer not null default 0, -- those that ended in a problem
    replays     integer not null default 0, -- how often an operator asked for it again
    collided    boolean not null,           -- the sender used this control id for other bytes before
    state       text not null check (state in ('ready', 'postponed', 'held', 'stored', 'filtered', 'quarantined')),
    interface   text not null,
    source      text not null,
    control_id  text not null,
    type        text not null,
    trigger     text not null,
    trace_id    text not null,
    hash        bytea not null,             -- SHA-256 of the bytes
    code        text,                       -- why it was postponed, filtered or quarantined: a Problem, which holds no values
    text        text,
    at          text
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);

alter sequence inbox_id_seq owned by inbox.id;

-- The questions that must stay fast with millions of finished messages behind: what is next, what waits, what failed.
create index inbox_open on inbox (id) include (lane) where state in ('ready', 'postponed');
create index inbox_held on inbox (lane, id) where state = 'held';
create index inbox_quarantined on inbox (interface, id) where state = 'quarantined';

-- The bytes as received. Partitions by week are made ahead; the default one only takes times outside of them.
create table inbox_body (
    id          bigint not null,
    received_at timestamptz not null,
    raw         bytea not null,
    primary key (id, received_at)
) partition by range (received_at);
alter table inbox_body alter column raw set storage external;
create table inbox_body_default partition of inbox_body default;

-- The identity of each message for ever, with the answer that it got: outlives the message itself.
create table inbox_key (
    key      uuid primary key, -- hash of (interface, source, control id); of that and the bytes for a collision
    hash     uuid not null,    -- first half of the SHA-256 of the bytes
    inbox_id bigint not null,
    code     text,             -- the Problem that was answered; none means it was accepted
    text     text,
    at       text
);

-- Identifiers to find a message by: a 64-bit hash of (kind, value).
create table inbox_lookup (
    key      bigint not null,
    inbox_id bigint not null
);
create index inbox_lookup_key on inbox_lookup (key, inbox_id);

-- Lanes that stand still: until a time (a message is postponed) or for good (a poisoned message, until somebody releases it).
create table inbox_stop (
    lane     bigint primary key,
    until    timestamptz not null, -- 'infinity': until released
    inbox_id bigint not null,      -- the message that stopped it
    since    timestamptz not null
);

-- How many messages were accepted, counted apart from the messages: the left side of conservation.
create table inbox_tally (
    interface text not null,
    accepted  bigint not null
);

-- The oldest open messages whose lane does not stand still. A queue's statistics are always out of date: without the settings, the planner
-- takes it for short and sorts the whole backlog at each claim.
create function inbox_oldest(count bigint, moment timestamptz) returns table (id bigint, lane bigint)
language sql stable
set enable_bitmapscan = off set enable_seqscan = off
as $$
    select id, lane from inbox
    where state in ('ready', 'postponed')
      and lane not in (select lane from inbox_stop where until > moment)
    order by id
    limit count
$$;
