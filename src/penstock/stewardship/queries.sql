-- Statements of stewardship. Only this package names steward_task and steward_waiting.

-- name: add_tasks
insert into steward_task (interface, system, code, target, first_seen)
select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
on conflict (interface, system, code) do nothing

-- name: add_waiting
insert into steward_waiting (task, inbox_id)
select t.number, w.inbox_id
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) w (interface, system, code, inbox_id)
join steward_task t using (interface, system, code)
where t.state <> 'ignored'
on conflict (task, inbox_id) do update set taken = false where steward_waiting.tries < 3

-- name: tasks
select t.number, t.interface, t.system, t.code, t.target, t.first_seen, t.state, t.settled_at, t.settled_by,
    coalesce(w.count, 0) as count, w.last, coalesce(w.examples, '{}') as examples
from steward_task t
left join lateral (
    select count(*) as count, max(inbox_id) as last, (array_agg(inbox_id order by inbox_id desc))[1:5] as examples
    from steward_waiting where task = t.number and not taken
) w on true
where ($1::text is null or t.state = $1) and ($2::text is null or t.interface = $2)
order by coalesce(w.count, 0) desc, t.number
limit $3

-- name: unsettled
-- Tasks that may have become known, or unknown again.
select number, system, code, state from steward_task t
where state = 'open' or state = 'mapped' and exists (select from steward_waiting w where w.task = t.number and not w.taken)

-- name: settle
update steward_task set state = $2, settled_at = $3, settled_by = $4 where number = any($1::bigint[]) and state <> $2

-- name: of_code
select number from steward_task where system = $1 and code = $2 and ($3::text is null or interface = $3)

-- name: waiting
-- How many messages wait for any of these codes.
select count(distinct w.inbox_id)
from steward_waiting w join steward_task t on t.number = w.task
join unnest($1::text[], $2::text[]) c (system, code) on c.system = t.system and c.code = t.code
where not w.taken

-- name: due
-- Messages whose code is known now; a few at a time, so that others pass.
select distinct w.inbox_id from steward_waiting w join steward_task t on t.number = w.task
where t.state = 'mapped' and not w.taken order by w.inbox_id limit $1

-- name: taken_up
update steward_waiting w set taken = true, tries = tries + 1
from steward_task t where t.number = w.task and t.state = 'mapped' and w.inbox_id = any($1::bigint[]) and not w.taken

-- name: forget
delete from steward_waiting where task = any($1::bigint[])
