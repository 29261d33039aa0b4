-- What search values need beyond the first layout: which parameters have a value, words of narratives, and how far an index is.

-- Columns of the tables that exist already; their rows carry version 0 and are indexed again by the running program.
do $$
declare name text;
begin
    for name in select relname from pg_class where relkind = 'r' and relnamespace = current_schema()::regnamespace and relname ~ '^r_[a-z]+$' loop
        execute format('alter table %I add column if not exists has int8 not null default 0, add column if not exists ix int4 not null default 0', name);
    end loop;
end
$$;

-- Ranges are searched within a unit (0 for dates and numbers).
create index rng_value on rng (param, unit, lo, hi);
drop index rng_lo;

-- Words of narratives (_text), hashed with tenant and type.
create table narrative (rid int8 not null, words int8[] not null);
create index narrative_words on narrative using gin (words) with (fastupdate = on, gin_pending_list_limit = 256);
create index narrative_rid on narrative (rid);

-- Names of the tenants, of which rows and hashes carry only numbers: who indexes again must know them.
create table store_tenant (number int4 primary key, name text not null);
insert into store_tenant values (-562365169, 'main');

-- How far the rows of a type are indexed. layout, base and params say what every row is known to be indexed by; version is what the rows
-- carry when they are indexed as is wanted now, and the counts tell of the work towards it.
create table search_index (
    type text primary key,
    layout int4 not null default 0,
    base text not null default '',
    params text[] not null default '{}',
    version int4 not null default 0,
    done int8 not null default 0,
    total int8 not null default 0,
    started_at timestamptz,
    finished_at timestamptz,
    problem text
);

-- Types that are in use already: nothing is known of their rows.
insert into search_index (type)
select substr(relname, 3) from pg_class where relkind = 'r' and relnamespace = current_schema()::regnamespace and relname ~ '^r_[a-z]+$';
