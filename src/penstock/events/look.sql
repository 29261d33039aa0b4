-- name: of_traces
select seq, id, tenant, type, resource_id, ver, op, key, at, trace_id, source, inbox_id, hash, way
from event
where hashtextextended(trace_id, 0) = any(array(select hashtextextended(t, 0) from unnest($1::text[]) t)) and trace_id = any($1) order by seq limit $2

-- name: of_resource
select seq, id, tenant, type, resource_id, ver, op, key, at, trace_id, source, inbox_id, hash, way
from event
where hashtextextended(type || '/' || resource_id, 0) = hashtextextended($1 || '/' || $2, 0) and type = $1 and resource_id = $2 order by seq desc limit $3

-- name: of_id
-- The id says when the event was written, and the summaries by time where such events lie.
select seq, id, tenant, type, resource_id, ver, op, key, at, trace_id, source, inbox_id, hash, way
from event where at between $2 and $3 and id = $1

-- name: of_versions
select e.type, e.resource_id, e.ver, e.source, e.trace_id
from unnest($2::text[], $3::text[], $4::integer[]) as w (type, resource_id, ver)
join event e on hashtextextended(e.type || '/' || e.resource_id, 0) = hashtextextended(w.type || '/' || w.resource_id, 0)
  and e.type = w.type and e.resource_id = w.resource_id and e.ver = w.ver and e.tenant = $1

-- name: newest
select seq, id, tenant, type, resource_id, ver, op, key, at, trace_id, source, inbox_id, hash, way
from event
where seq < $1 and inbox_id is null and ($2::text is null or source = $2)
  and ($3::timestamptz is null or at >= $3) and ($4::timestamptz is null or at < $4)
order by seq desc limit $5
