-- The statements of the inbox. "Open" means ready or postponed: exactly the predicate of the index inbox_open.

-- name: accept
-- Everything of a batch at once. Ids are drawn in the order of arrival (or were drawn before); keys are inserted in their own order, so
-- that two batches with the same messages wait for each other instead of deadlocking. Only messages with a fresh key go on.
with arrival as materialized (
    select coalesce(a.drawn, nextval('inbox_id_seq')) as id, a.*
    from unnest(
        $1::bigint[], $2::uuid[], $3::uuid[], $4::bigint[], $5::timestamptz[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
        $11::text[], $12::text[], $13::bytea[], $14::text[], $15::text[], $16::text[], $17::bytea[], $21::text[], $22::text[]
    ) with ordinality as a (
        drawn, key, half, lane, received_at, state, interface, source, control_id, type, trigger, trace_id, hash, code, text, at, raw,
        way, stopped, number
    )
), fresh as (
    insert into inbox_key (key, hash, inbox_id, code, text, at)
    select key, half, id, code, text, at from arrival order by key, id
    on conflict (key) do nothing
    returning inbox_id
), message as (
    insert into inbox (
        id, lane, received_at, done_at, collided, state, interface, source, control_id, type, trigger, trace_id, hash, code, text, at,
        way, stopped
    )
    select id, lane, received_at, case state when 'quarantined' then received_at end, $18, state, interface, source, control_id, type,
        trigger, trace_id, hash, code, text, at, way, stopped
    from arrival join fresh on inbox_id = id
    order by id
), body as (
    insert into inbox_body (id, received_at, raw)
    select id, received_at, raw from arrival join fresh on inbox_id = id
), lookup as (
    insert into inbox_lookup (key, inbox_id)
    select found.key, arrival.id
    from unnest($19::bigint[], $20::bigint[]) as found (number, key)
    join arrival using (number) join fresh on inbox_id = id
), tally as (
    insert into inbox_tally (interface, accepted)
    select interface, count(*) from arrival join fresh on inbox_id = id group by interface
)
select number, id, inbox_id is not null as fresh from arrival left join fresh on inbox_id = id;

-- name: known
select key, hash, inbox_id, code, text, at from inbox_key where key = any($1::uuid[]);

-- name: lock_lanes
-- The lanes of the oldest open messages, oldest first, those that nobody else works on: locked until the transaction ends.
-- Each lane is tried once. The fence (offset 0) keeps the planner from locking more than is asked for.
select lane, upto
from (
    select lane, min(id) as head, max(max(id)) over () as upto
    from inbox_oldest($1::bigint * 8, coalesce($2::timestamptz, now()))
    group by lane
    order by head
    offset 0
) lanes
where pg_try_advisory_xact_lock(lane)
limit $1;

-- name: claim
-- Read again under the locks (a new snapshot): what another worker did to these lanes in between is seen now.
select id, interface, lane, received_at, trace_id, attempts, source, control_id, type, trigger, collided
from inbox
where state in ('ready', 'postponed')
  and id <= $2
  and lane = any($1::bigint[])
  and lane not in (select lane from inbox_stop where until > coalesce($4::timestamptz, now()))
order by id
limit $3;

-- name: bodies
-- The bounds on received_at name the partitions.
select id, raw from inbox_body where id = any($1::bigint[]) and received_at between $2 and $3;

-- name: done
with outcome as (
    select * from unnest($1::bigint[], $2::text[], $3::text[]) as o (id, state, reason)
), finished as (
    update inbox i
    set state = o.state, code = null, text = o.reason, at = null, stopped = null, next_at = null, done_at = coalesce($4::timestamptz, now())
    from outcome o
    where i.id = o.id
    returning i.id, i.lane
)
delete from inbox_stop s using finished f where s.lane = f.lane and s.inbox_id = f.id;

-- name: mark
update inbox set attempts = attempts + 1 where id = $1;

-- name: postpone
-- The last twenty attempts that failed are kept.
with waiting as (
    update inbox set state = 'postponed', attempts = attempts + 1, code = $2, text = $3, at = $4, next_at = $5, stopped = nullif($6, ''),
        history = inbox_attempt(history, coalesce($7::timestamptz, now()), $6, $2, $3, $4)
    where id = $1
    returning id, lane, next_at
)
insert into inbox_stop (lane, until, inbox_id, since)
select lane, next_at, id, now() from waiting
on conflict (lane) do update set until = excluded.until, inbox_id = excluded.inbox_id;

-- name: bury
with buried as (
    update inbox set state = 'quarantined', attempts = attempts + 1, code = $2, text = $3, at = $4, next_at = null,
        done_at = coalesce($5::timestamptz, now()), stopped = nullif($6, ''),
        history = inbox_attempt(history, coalesce($5::timestamptz, now()), $6, $2, $3, $4)
    where id = $1
    returning id, lane
)
delete from inbox_stop s using buried b where s.lane = b.lane and s.inbox_id = b.id;

-- name: hold
-- The lane of a message stands still until it is released; what waits in it says so and leaves the index of open messages.
with stop as (
    insert into inbox_stop (lane, until, inbox_id, since)
    select lane, 'infinity', id, coalesce($2::timestamptz, now()) from inbox where id = $1
    on conflict (lane) do update set until = 'infinity', inbox_id = excluded.inbox_id
    returning lane
)
update inbox i set state = 'held', next_at = null from stop s where i.lane = s.lane and i.state in ('ready', 'postponed');

-- name: hold_arrived
-- Messages that arrived in a held lane since: out of the way of the claims.
update inbox i set state = 'held' from inbox_stop s
where s.until = 'infinity' and i.lane = s.lane and i.state in ('ready', 'postponed');

-- name: release
with gone as (
    delete from inbox_stop where lane = any($1::bigint[]) returning lane, inbox_id
), held as (
    update inbox i set state = 'ready' from gone where i.lane = gone.lane and i.state = 'held'
)
update inbox i set state = 'ready', next_at = null from gone where i.id = gone.inbox_id and i.state = 'postponed';

-- name: replayable
select id from inbox
where (cardinality($1::bigint[]) = 0 or id = any($1))
  and ($2::text is null or interface = $2)
  and ($3::text is null or state = $3)
  and ($4::text is null or code = $4)
  and ($5::timestamptz is null or received_at >= $5)
  and ($6::timestamptz is null or received_at < $6)
  and state in ('stored', 'filtered', 'quarantined')
order by id
limit $7;

-- name: replay
with again as (
    update inbox set state = 'ready', replays = replays + 1, attempts = 0, code = null, text = null, at = null, stopped = null, next_at = null,
        done_at = null
    where id = any($1::bigint[]) and state in ('stored', 'filtered', 'quarantined')
    returning id, lane
), released as (
    delete from inbox_stop s using again a where s.lane = a.lane and s.inbox_id = a.id
    returning s.lane
), freed as (
    update inbox i set state = 'ready' from released r where i.lane = r.lane and i.state = 'held'
)
select id from again order by id;

-- name: counts
-- One statement, hence one snapshot: the tally on the left, the messages on the right.
select interface, 'accepted' as state, '' as reason, sum(accepted)::bigint as count from inbox_tally group by interface
union all
select interface, state, case when state in ('filtered', 'quarantined') then coalesce(code, text, '') else '' end, count(*)
from inbox group by 1, 2, 3;

-- name: fold_tally
with folded as (delete from inbox_tally returning interface, accepted)
insert into inbox_tally (interface, accepted) select interface, sum(accepted) from folded group by interface;

-- name: stopped_lanes
with waiting as (
    select lane, count(*) from (
        select lane, id from inbox where state in ('ready', 'postponed') union all select lane, id from inbox where state = 'held'
    ) open join inbox_stop s using (lane)
    where open.id <> s.inbox_id
    group by lane
)
select s.lane, s.until, s.since, s.inbox_id, i.interface, i.code, i.text, i.at, coalesce(w.count, 0) as waiting
from inbox_stop s join inbox i on i.id = s.inbox_id left join waiting w on w.lane = s.lane
order by s.since;

-- name: find
select inbox_id from inbox_lookup where key = $1 order by inbox_id desc limit $2;

-- name: rows
select id, interface, source, control_id, type, trigger, lane, state, code, text, at, attempts, replays, collided, received_at, next_at,
    done_at, trace_id, way, coalesce(stopped, ''), coalesce(history, '[]'), 'sha256:' || encode(hash, 'hex')
from inbox where id = any($1::bigint[]) order by id;

-- name: newest
select id from inbox
where id < $1 and ($2::text is null or source = $2)
  and ($3::timestamptz is null or received_at >= $3) and ($4::timestamptz is null or received_at < $4)
order by id desc limit $5;

-- name: partitions
select relname as name from pg_inherits join pg_class on pg_class.oid = inhrelid
where inhparent = 'inbox_body'::regclass and relname <> 'inbox_body_default' order by relname;
