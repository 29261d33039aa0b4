-- Statements of the event log. Only this package names the tables event and event_floor.

-- name: append
-- One statement for the batch. A later version keeps the key of the version before it, so that all versions of a resource
-- are in one lane of delivery, even when it has moved to another patient. The order of the arrays is the order of seq.
insert into event (id, tenant, type, resource_id, ver, op, key, at, trace_id, source, inbox_id, hash, way)
select id, tenant, type, resource_id, ver, op,
       case when ver > 1 then coalesce(
           (select e.key from event e
            where hashtextextended(e.type || '/' || e.resource_id, 0) = hashtextextended(w.type || '/' || w.resource_id, 0)
              and e.type = w.type and e.resource_id = w.resource_id
            order by e.seq desc limit 1), w.key)
       else w.key end,
       at, trace_id, source, inbox_id, hash, way
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::timestamptz[],
            $9::text[], $10::text[], $11::bigint[], $12::bytea[], $13::text[]) with ordinality
  as w (id, tenant, type, resource_id, ver, op, key, at, trace_id, source, inbox_id, hash, way, n)
order by n

-- name: last
select case when is_called then last_value else 0 end from event_seq

-- name: writers
-- Each transaction that has inserted an event holds this lock from before its first number to after its commit is visible.
select virtualtransaction from pg_locks
where locktype = 'relation' and mode = 'RowExclusiveLock' and granted
  and relation = 'event'::regclass and database = (select oid from pg_database where datname = current_database())

-- name: follow
select seq, id, tenant, type, resource_id, ver, op, key, at, trace_id, source, inbox_id, hash
from event where seq > $1 and seq <= $2 order by seq limit $3

-- name: find
select seq, id, tenant, type, resource_id, ver, op, key, at, trace_id, source, inbox_id, hash
from event where seq = any($1::bigint[]) order by seq

-- name: follow_some
-- What one reader may see or wants to: its tenant (null: all), its types (null: all), its patient (null: all).
select seq, id, tenant, type, resource_id, ver, op, key, at, trace_id, source, inbox_id, hash
from event
where seq > $1 and seq <= $2 and ($4::text is null or tenant = $4) and ($5::text[] is null or type = any($5)) and ($6::text is null or key = $6)
order by seq limit $3

-- name: window
-- The first number and the last that a window of time covers.
select coalesce(min(seq), 0) as first, coalesce(max(seq), 0) as last from event where at >= $1 and at < $2

-- name: floor
select seq from event_floor

-- name: raise_floor
update event_floor set seq = greatest(seq, $1)

-- name: partitions
select c.relname as name, pg_get_expr(c.relpartbound, c.oid) as bound
from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'event'::regclass
