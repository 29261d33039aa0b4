-- name: record
insert into lineage (inbox_id, plan, at, record)
select * from unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::bytea[])
on conflict (inbox_id) do update set plan = excluded.plan, at = excluded.at, record = excluded.record

-- name: record_versions
insert into lineage_version (type, id, ver, inbox_id)
select * from unnest($1::text[], $2::text[], $3::int[], $4::bigint[])
on conflict do nothing

-- name: of_resource
select v.ver, v.inbox_id, l.plan, l.at, l.record
from lineage_version v
join lineage l using (inbox_id)
where v.type = $1 and v.id = $2 and v.ver <= $3
order by v.ver desc

-- name: of_messages
select inbox_id, plan, at, record from lineage where inbox_id = any($1::bigint[])

-- name: versions_of_messages
select inbox_id, type, id, ver from lineage_version where inbox_id = any($1::bigint[]) order by inbox_id, type, id, ver

-- name: messages_of_resource
select distinct inbox_id from lineage_version where type = $1 and id = $2 order by inbox_id
