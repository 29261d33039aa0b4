-- References that a merge led from the record that ended (prior, Type/id) to the one that survives, by their paths in a resource: an
-- unmerge leads them back.
create table moved (
    tenant int4   not null,
    prior  text   not null,
    type   text   not null,
    id     text   not null,
    paths  text[] not null,
    primary key (tenant, prior, type, id)
);
