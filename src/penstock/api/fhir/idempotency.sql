-- Keys of creates. Only this module names the table idempotency_key.

-- name: claim
-- Who comes second waits for the first one's transaction, and finds its row. A key that is too old is as if it had never come.
insert into idempotency_key (hash, fingerprint, moment, type, id, ver, op) values ($1, $2, $3, $4, '', 0, '')
on conflict (hash) do update set fingerprint = excluded.fingerprint, moment = excluded.moment, type = excluded.type, id = '', ver = 0, op = ''
where idempotency_key.moment < $5
returning 1

-- name: keep
update idempotency_key set id = $2, ver = $3, op = $4 where hash = $1

-- name: kept
select fingerprint, type, id, ver, op from idempotency_key where hash = $1

-- name: drop
delete from idempotency_key where moment < $1
