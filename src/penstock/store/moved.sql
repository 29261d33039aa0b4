-- name: note_moved
-- A resource that was moved again keeps the paths of both times.
insert into moved (tenant, prior, type, id, paths)
select $1, prior, type, id, string_to_array(paths, ' ') from unnest($2::text[], $3::text[], $4::text[], $5::text[]) as m (prior, type, id, paths)
on conflict (tenant, prior, type, id) do update
set paths = array(select distinct path from unnest(moved.paths || excluded.paths) as p (path) order by path)

-- name: moved_of
select prior, type, id, paths from moved where tenant = $1 and prior = any($2::text[]) order by type, id

-- name: forget_moved
delete from moved where tenant = $1 and prior = any($2::text[])

-- name: referring
select id from {current} where pat = $1 union select id from {current} where tok && $2::int8[] and tenant = $3
