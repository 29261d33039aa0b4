-- What a site's maps and interfaces said, for ever: a version that lineage names can be compiled again.
create table map_release (
    version text primary key,             -- hash of the files and of the tables that the program ships
    tables  text not null,                -- version of the shipped tables
    files   bytea not null,               -- JSON {path: text}, compressed
    plans   jsonb not null                -- {interface: version of its plan}
);
alter table map_release alter column files set storage external;

-- When which release came into force; the newest row is in force.
create table map_application (
    number     bigint generated always as identity primary key,
    version    text not null references map_release (version),
    instead_of text,                      -- the version that was in force before
    kind       text not null,             -- start, apply, rollback
    applied_at timestamptz not null,
    applied_by text not null,
    reason     text not null
);
