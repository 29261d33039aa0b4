-- Statements of the registry. Only this package names package and package_definition.

-- name: numbers
select number from package order by number

-- name: definitions
select n, type, url, version, status, date, name, content from package_definition where package = $1 order by n

-- name: packages
select p.number, p.name, p.version, p.digest, p.manifest, p.loaded_at, p.loaded_by, coalesce(d.count, 0) as definitions
from package p left join (select package, count(*) from package_definition group by package) d on d.package = p.number
order by p.name, p.number

-- name: add_package
insert into package (name, version, digest, manifest, loaded_at, loaded_by) values ($1, $2, $3, $4::text::jsonb, $5, $6)
on conflict (name, version) do nothing
returning number

-- name: add_definitions
insert into package_definition (package, n, type, url, version, status, date, name, content)
select $1, * from unnest($2::int4[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bytea[])

-- name: remove_package
delete from package where number = $1

-- name: generation
select case when is_called then last_value else 0 end from definition_generation

-- name: next_generation
select nextval('definition_generation')

-- name: behind
-- Whether any process holds an older number than this. The locks of a process that died are gone with it.
select exists (
    select from pg_locks
    where locktype = 'advisory' and classid = $1::int8::oid and objid::int8 < $2 and objsubid = 2 and granted
      and database = (select oid from pg_database where datname = current_database())
)
