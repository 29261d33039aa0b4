-- The key that cursors of search pages are sealed with: one for all processes, made here from two random UUIDs (244 random bits).
create table store_secret (
    one boolean primary key default true check (one),
    key bytea not null default decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')
);
insert into store_secret default values;
