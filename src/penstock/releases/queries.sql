-- Statements of the releases. Only this package names map_release and map_application.

-- name: newest
select number, version, instead_of, kind, applied_at, applied_by, reason from map_application order by number desc limit 1

-- name: lock
-- Who applies, applies alone.
select pg_advisory_xact_lock(7146021)

-- name: release
select version, tables, files, plans::text as plans from map_release where version = $1

-- name: by_plan
select version from map_release where plans ->> $1 = $2 order by version limit 1

-- name: keep
insert into map_release (version, tables, files, plans) values ($1, $2, $3, $4::text::jsonb) on conflict (version) do nothing

-- name: apply
insert into map_application (version, instead_of, kind, applied_at, applied_by, reason) values ($1, $2, $3, $4, $5, $6)
returning number, version, instead_of, kind, applied_at, applied_by, reason

-- name: applications
select number, version, instead_of, kind, applied_at, applied_by, reason from map_application order by number desc limit $1
