-- name: owners
select i.val, i.sys, r.id from ident i join {current} r using (rid) where i.val = any($1::int8[]) and r.tenant = $2
