-- Labels that there are. Only this module names the table label.

-- name: know
-- Nearly always all of them are there: nobody waits for anybody then.
insert into label (tenant, type, hash, param, system, code)
select * from unnest($1::int4[], $2::text[], $3::int8[], $4::text[], $5::text[], $6::text[]) as w (tenant, type, hash, param, system, code)
where not exists (select from label l where l.tenant = w.tenant and l.type = w.type and l.hash = w.hash)
on conflict do nothing

-- name: labels
select tenant, type, param, system, code from label
where tenant = $1 and ($2::text is null or type = $2) order by param, system, code, type limit $3
