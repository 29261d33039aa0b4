-- Implementation-guide packages. number orders them by when they were loaded; manifest says what the package says of itself.
create table package (
    number    bigint generated always as identity primary key,
    name      text not null,
    version   text not null,
    digest    bytea not null,            -- SHA-256 of what was loaded
    manifest  jsonb not null,
    loaded_at timestamptz not null,
    loaded_by text not null,
    unique (name, version)
);

-- The definitions of a package, as compressed canonical JSON.
create table package_definition (
    package bigint not null references package (number) on delete cascade,
    n       integer not null,
    type    text not null,
    url     text not null,
    version text not null,
    status  text not null,
    date    text not null,
    name    text not null,
    content bytea not null,
    primary key (package, n)
);
alter table package_definition alter column content set storage external;
create index package_definition_url on package_definition (type, url);
