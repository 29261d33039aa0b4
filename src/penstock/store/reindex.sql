-- Indexing again what is stored. Progress is in search_index; which rows are done, the rows say themselves (ix).

-- name: states
select type, layout, base, params, version, done, total, started_at, finished_at, problem from search_index order by type

-- name: tenants
select number, name from store_tenant

-- name: begin
-- Work towards another version begins; work towards the same version goes on where it was.
update search_index set version = $2, done = 0, total = (select count(*) from {current}), started_at = $3, finished_at = null, problem = null,
    fence = null
where type = $1 and (version <> $2 or finished_at is not null)

-- name: take
-- Rows that others are writing are passed over: they come back as new versions, or in the next round. So nobody waits for us in a circle.
select rid, tenant, id, content from {current} where rid > $1 and ix <> $2 order by rid limit $3 for update skip locked

-- name: put_index
update {current} r
set pat = w.pat, code = w.code, dlo = w.dlo, dhi = w.dhi, num = w.num, common = w.common, unit = w.unit, has = w.has, ix = w.ix,
    tok = w.tok::int8[]
from unnest($1::text::int8[], $2::text::int8[], $3::text::int8[], $4::text::int8[], $5::text::int8[], $6::text::float8[],
            $7::text::float8[], $8::text::int8[], $9::text::int8[], $10::text::int4[], $11::text[])
  as w (rid, pat, code, dlo, dhi, num, common, unit, has, ix, tok)
where r.rid = w.rid

-- name: advance
update search_index set done = done + $2 where type = $1

-- name: fence
-- Every process knows by now: what began before this very moment must end before the proof.
update search_index set fence = pg_current_xact_id() where type = $1 and fence is null

-- name: is_over
select coalesce(pg_snapshot_xmin(pg_current_snapshot()) > fence, false) from search_index where type = $1

-- name: prove
select count(*) as total, count(*) filter (where ix <> $1) as stale from {current}

-- name: finish
update search_index set layout = $2, base = $3, params = $4, version = $5, done = $6, total = $6, finished_at = $7, problem = null
where type = $1

-- name: stop
update search_index set problem = $2 where type = $1
