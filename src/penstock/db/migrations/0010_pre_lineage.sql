-- The way back from a value: one compact record a message, and a narrow row for every resource version that it made.
create table lineage (
    inbox_id bigint primary key,
    plan     text not null,            -- version of the compiled map
    at       timestamptz not null,
    record   bytea not null            -- zstd of JSON: resources with (element, rule, source), remainder, steward
);
create index lineage_plan on lineage (plan);

create table lineage_version (
    type     text not null,
    id       text not null,
    ver      int not null,
    inbox_id bigint not null,
    primary key (type, id, ver)
);
create index lineage_version_inbox on lineage_version (inbox_id);
