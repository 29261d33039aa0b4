-- Answers that a client fetches later (Prefer: respond-async). A row without a status is being worked on while "alive" is recent.
create table later (
    id      uuid        primary key,
    client  text        not null,
    tenant  text        not null,
    at      timestamptz not null default now(),
    alive   timestamptz not null default now(),
    status  smallint,
    body    bytea
);
create index later_at on later (at);
