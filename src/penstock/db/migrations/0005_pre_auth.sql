-- Assertions of clients that were used: each of them buys one token, also across restarts and several processes (RFC 7523, section 5).
create table assertion (
    client     text not null,
    jti        text not null,
    expires_at timestamptz not null,
    primary key (client, jti)
);
create index assertion_expires on assertion (expires_at);
