-- The event log: one row for each version of each resource, written in the transaction of the change itself.
-- Sequence numbers are handed out before the commit: readers go no further than events.Horizon (never "seq > last").

create sequence event_seq as bigint cache 1;

create table event (
    seq           bigint      not null default nextval('event_seq'),
    id            uuid        not null,   -- stable: the same in every delivery and every replay
    name          text        not null,   -- event type, such as penstock.resource.created
    tenant        text        not null,
    type          text        not null,   -- resource type
    resource_id   text        not null,
    ver           integer     not null,
    op            text        not null,   -- create, update, delete
    key           text        not null,   -- what order is kept for: the patient, else the resource itself
    at            timestamptz not null,
    trace_id      text        not null,
    source        text        not null,   -- the system or client that caused it
    inbox_id      bigint,                 -- the message that caused it, if one did
    hash          bytea       not null,   -- SHA-256 of the body
    primary key (seq)
) partition by range (seq);

create index event_resource on event (type, resource_id, seq);
create index event_key on event (key, seq);
create index event_trace on event (trace_id);
create index event_id on event (id);
create index event_at on event using brin (at);

create table event_0 partition of event for values from (0) to (20000000);
create table event_1 partition of event for values from (20000000) to (40000000);
create table event_2 partition of event for values from (40000000) to (60000000);

-- Events below this number are no longer kept: a cursor under it must be told so, not shown a silent hole.
create table event_floor (one boolean primary key default true check (one), seq bigint not null);
insert into event_floor (seq) values (0);
