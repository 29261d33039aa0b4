-- Delivery: who is told, what is due to them, and what became of it.

create table subscription (
    number        integer     generated always as identity primary key,
    id            text        not null unique,       -- Subscription/<id>, or site/<name>
    kind          text        not null,              -- a key of SINKS
    spec          jsonb       not null,              -- endpoint, criteria, types, payload, batch, concurrency, secret handles
    status        text        not null,              -- requested, active, error, off (R4 SubscriptionStatus)
    reason        text,                              -- why it is in error or off: our constant text
    reported      text,                              -- status and reason as last written to the resource
    attempts      integer     not null default 0,    -- failures in a row
    retry_at      timestamptz,                       -- closed until then, after failures in a row
    until         timestamptz,                       -- Subscription.end
    due           bigint      not null default 0,    -- deliveries ever due: the other side of conservation
    archived      bigint      not null default 0,    -- settled deliveries that retention has removed …
    archived_to   bigint      not null default 0,    -- … up to this event
    since         bigint      not null default 0,    -- events after this number are due
    registered    bigint      not null default 0     -- event number of the registration: a later one begins anew
);

-- Header values and signing secrets, sealed with the key in the data folder. Readable by delivery alone.
create table subscription_secret (
    handle        text        primary key,
    sealed        bytea       not null,
    subscription  text,                              -- bound to the first subscription that used it …
    endpoint      text,                              -- … and to the origin it was given for
    at            timestamptz not null
);

create table delivery_cursor (name text primary key, seq bigint not null);
insert into delivery_cursor values ('dispatch', 0);

create table delivery (
    subscription  integer     not null references subscription (number),
    replay        integer     not null default 0,    -- 0: live; else the number of the replay
    seq           bigint      not null,
    key           text        not null,
    reference     text        not null,              -- the payload: Type/id/_history/version
    state         text        not null default 'pending',   -- pending, delivered, dead, discarded
    attempts      integer     not null default 0,
    due_at        timestamptz not null,
    next_at       timestamptz not null,
    settled_at    timestamptz,
    reason        text,
    history       jsonb       not null default '[]', -- the last failed attempts: time, status, reason
    primary key (subscription, replay, seq)
);

create index delivery_pending on delivery (subscription, replay, seq) where state = 'pending';
create index delivery_lane on delivery (subscription, key, replay, seq) where state = 'pending';
create index delivery_dead on delivery (subscription, seq) where state = 'dead';
create index delivery_settled on delivery using brin (settled_at);

create table replay (
    number        integer     generated always as identity primary key,
    subscription  integer     not null references subscription (number),
    at            timestamptz not null,
    client        text        not null,
    reason        text        not null,
    asked         jsonb       not null,
    count         bigint      not null
);
