-- Closure tables ($closure): the concepts that a client has named, and how they are related. ``version`` is the call that added a row.
create table closure (
    tenant  text not null,
    name    text not null,
    version bigint not null default 0,
    primary key (tenant, name)
);

create table closure_concept (
    tenant  text not null,
    name    text not null,
    system  text not null,
    code    text not null,
    version bigint not null,
    primary key (tenant, name, system, code),
    foreign key (tenant, name) references closure on delete cascade
);

create table closure_relation (
    tenant  text not null,
    name    text not null,
    version bigint not null,
    system  text not null,
    below   text not null,
    above   text not null,
    primary key (tenant, name, version, system, below, above),
    foreign key (tenant, name) references closure on delete cascade
);
