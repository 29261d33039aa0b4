-- name: of_traces
select seq, id, name, tenant, type, resource_id, ver, op, key, at, trace_id, source, inbox_id, hash
from event where trace_id = any($1::text[]) order by seq limit $2

-- name: of_resource
select seq, id, name, tenant, type, resource_id, ver, op, key, at, trace_id, source, inbox_id, hash
from event where type = $1 and resource_id = $2 order by seq desc limit $3

-- name: of_id
select seq, id, name, tenant, type, resource_id, ver, op, key, at, trace_id, source, inbox_id, hash
from event where id = $1
