-- Statements of the store. {current} and {old} are the tables of one resource type (see layout); only this package names them, and
-- ident, str, rng, narrative, guard, store_tenant, search_index and store_dictionary.

-- name: lock
-- Rows in the order of self, so that two batches never wait for each other.
select self, rid, ver, tenant, id, pat, tok, content from {current} where self = any($1::int8[]) order by self for update

-- name: newest_old
-- For resources without a current row: the tombstone that says how far their versions went.
select distinct on (self) self, rid, ver, tenant, id from {old} where self = any($1::int8[]) order by self, ver desc

-- name: keep
-- Superseded rows become history, as they are.
insert into {old} (self, ver, tenant, rid, id, content) select self, ver, tenant, rid, id, content from {current} where self = any($1::int8[])

-- name: add_old
-- Tombstones, and versions that were superseded within the batch that made them.
insert into {old} (self, ver, tenant, rid, id, content)
select * from unnest($1::int8[], $2::int4[], $3::int4[], $4::int8[], $5::text[], $6::bytea[])

-- name: remove
delete from {current} where self = any($1::int8[])

-- name: put
-- Creates and updates in one statement. A row that appeared since we looked has another version than we thought: it is left alone,
-- and missing from what comes back. Arrays of arrays cannot be unnested by row, therefore the tokens travel as text,
-- one array a row; the numbers travel as one text a column, because the driver looks at each element of a list.
insert into {current} as r (rid, self, ver, tenant, pat, code, dlo, dhi, num, common, unit, has, ix, tok, id, content)
select rid, self, ver, tenant, pat, code, dlo, dhi, num, common, unit, has, ix, tok::int8[], id, content
from unnest($1::text::int8[], $2::text::int8[], $3::text::int4[], $4::text::int4[], $5::text::int8[], $6::text::int8[],
            $7::text::int8[], $8::text::int8[], $9::text::float8[], $10::text::float8[], $11::text::int8[],
            $12::text::int8[], $13::text::int4[], $14::text[], $15::text[], $16::bytea[])
  as w (rid, self, ver, tenant, pat, code, dlo, dhi, num, common, unit, has, ix, tok, id, content)
on conflict (self) do update
set rid = excluded.rid, ver = excluded.ver, pat = excluded.pat, code = excluded.code, dlo = excluded.dlo, dhi = excluded.dhi,
    num = excluded.num, common = excluded.common, unit = excluded.unit, has = excluded.has, ix = excluded.ix, tok = excluded.tok, content = excluded.content
where r.rid = any($17::int8[])
returning self

-- name: forget
-- What superseded rows were found by.
with a as (delete from ident where rid = any($1::int8[])), b as (delete from str where rid = any($1::int8[])),
     c as (delete from narrative where rid = any($1::int8[]))
delete from rng where rid = any($1::int8[])

-- name: add_ident
insert into ident (val, sys, rid) select * from unnest($1::text::int8[], $2::text::int8[], $3::text::int8[])

-- name: add_str
insert into str (param, val, rid) select * from unnest($1::text::int8[], $2::text[], $3::text::int8[])

-- name: add_rng
insert into rng (param, unit, lo, hi, rid)
select * from unnest($1::text::int8[], $2::text::int8[], $3::text::float8[], $4::text::float8[], $5::text::int8[])

-- name: add_narrative
insert into narrative (rid, words) select rid, words::int8[] from unnest($1::text::int8[], $2::text[]) as w (rid, words)

-- name: know_tenant
insert into store_tenant (number, name) values ($1, $2) on conflict (number) do nothing

-- name: read
select self, rid, ver, tenant, id, content from {current} where self = any($1::int8[]) {within}

-- name: read_locked
select self, rid, ver, tenant, id, content from {current} where self = any($1::int8[]) {within} order by self for update

-- name: vread
select self, rid, ver, tenant, id, content from {current} where self = $1 and ver = $2
union all
select self, rid, ver, tenant, id, content from {old} where self = $1 and ver = $2

-- name: history_of
-- Both halves are walked in the order of rid and stop at the limit.
select rid, ver, id, content from {current} where self = $1 and rid < $2 and rid >= $3
union all
(select rid, ver, id, content from {old} where self = $1 and rid < $2 and rid >= $3 order by ver desc limit $4)
order by rid desc limit $4

-- name: history_of_type
(select rid, ver, id, content from {current} where tenant = $1 and rid < $2 and rid >= $3 order by rid desc limit $4)
union all
(select rid, ver, id, content from {old} where tenant = $1 and rid < $2 and rid >= $3 order by rid desc limit $4)
order by rid desc limit $4

-- name: guard
-- The row of each criterion, made where it is missing; the insert waits for whoever is making the same row.
insert into guard (hash) select * from unnest($1::int8[]) as g (hash) order by hash on conflict (hash) do nothing

-- name: hold_guard
select 1 from guard where hash = any($1::int8[]) order by hash for update
