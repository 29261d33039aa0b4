-- What every resource type of the store shares; the tables of a type (r_<type>, h_<type>) are made when the type is first used.

-- Node part of the version ids (rid): each running process takes the next of 1,024.
create sequence store_node minvalue 0 maxvalue 1023 cycle;

-- Business identifiers: never among the tokens, because unique values ruin the statistics of an array.
-- val and sys are hashes of (tenant, type, parameter, value) and of the system; rid is the version that carries them.
create table ident (val int8 not null, sys int8 not null, rid int8 not null);
create index ident_val on ident (val, sys);
create index ident_rid on ident (rid);

-- Strings, folded, for prefix search; param is a hash of (tenant, type, parameter).
create table str (param int8 not null, rid int8 not null, val text collate "C" not null);
create index str_val on str (param, val);
create index str_rid on str (rid);

-- Ranges: dates (microseconds since 1970), numbers and quantities. unit is a hash of the quantity's unit, 0 where there is none.
create table rng (param int8 not null, unit int8 not null, lo float8 not null, hi float8 not null, rid int8 not null);
create index rng_lo on rng (param, lo, hi);
create index rng_rid on rng (rid);

-- One row for each criterion of a conditional interaction: its lock makes them race-free.
create table guard (hash int8 primary key);

-- The dictionaries that bodies are compressed with. A row is never changed: old bodies need it.
create table store_dictionary (id int2 primary key, digest bytea not null unique, content bytea not null);

alter table ident set (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
alter table str set (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
alter table rng set (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
