-- name: forget
delete from closure where tenant = $1 and name = $2
-- name: begin
insert into closure (tenant, name) values ($1, $2)
-- name: lock
select version from closure where tenant = $1 and name = $2 for update
-- name: look
select version from closure where tenant = $1 and name = $2
-- name: advance
update closure set version = version + 1 where tenant = $1 and name = $2 returning version
-- name: concepts
select system, code from closure_concept where tenant = $1 and name = $2 and system = any($3::text[])
-- name: count
select count(*) from closure_concept where tenant = $1 and name = $2
-- name: add_concepts
insert into closure_concept (tenant, name, version, system, code) select $1, $2, $3, * from unnest($4::text[], $5::text[])
-- name: add_relations
insert into closure_relation (tenant, name, version, system, below, above)
    select $1, $2, $3, * from unnest($4::text[], $5::text[], $6::text[])
-- name: since
select system, below, above from closure_relation where tenant = $1 and name = $2 and version > $3
    order by version, system, below, above limit $4
