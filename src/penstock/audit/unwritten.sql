-- Write requests that wrote nothing. Only this package names the table unwritten.

-- name: record
insert into unwritten (moment, trace_id, way, client, type, stage, code, text, at, problems, more)
select * from unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                     $10::integer[], $11::bigint[])

-- name: keep
-- The newest so many: ids grow.
delete from unwritten where id <= (select max(id) from unwritten) - $1::bigint

-- name: drop
delete from unwritten where moment < $1

-- name: of_traces
select moment, trace_id, way, client, type, stage, code, text, at, problems, more from unwritten
where hashtextextended(trace_id, 0) = any(array(select hashtextextended(t, 0) from unnest($1::text[]) t)) and trace_id = any($1)
order by id limit $2

-- name: newest
select id, moment, trace_id, way, client, type, stage, code, text, at, problems, more from unwritten
where id < $1 and ($2::text is null or client = $2) and ($3::timestamptz is null or moment >= $3) and ($4::timestamptz is null or moment < $4)
order by id desc limit $5
