-- Which profiles, tags and security labels there are, by type ($meta): every one that was ever written. Whether one is in use, and may be
-- seen, a search says.
create table label (
    tenant int4 not null,
    type   text not null,
    hash   int8 not null,    -- of the other three
    param  text not null,    -- _profile, _security, _tag
    system text not null,
    code   text not null,
    primary key (tenant, type, hash)
);
