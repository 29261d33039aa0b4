-- What a create with an Idempotency-Key made: the same key again gets the first answer again.
create table idempotency_key (
    hash        uuid        primary key,  -- of tenant, client and key
    fingerprint bytea       not null,     -- SHA-256 of the request
    moment      timestamptz not null,
    type        text        not null,
    id          text        not null,
    ver         integer     not null,
    op          text        not null      -- create, or same: a conditional create found what is there
);
create index idempotency_key_moment on idempotency_key using brin (moment);
