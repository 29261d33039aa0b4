-- Answers that are fetched later. Only this package names the table later.

-- name: begin
insert into later (id, client, tenant) values ($1, $2, $3)

-- name: forget_old
delete from later where at < now() - $1::interval

-- name: beat
update later set alive = now() where id = $1

-- name: end
update later set status = $2, body = $3 where id = $1

-- name: look
select status, body, alive < now() - $4::interval as lost from later where id = $1 and client = $2 and tenant = $3

-- name: remove
delete from later where id = $1 and client = $2 and tenant = $3 returning id
