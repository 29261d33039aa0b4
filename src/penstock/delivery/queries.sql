-- Statements of delivery. Only this package names subscription, subscription_secret, delivery, delivery_cursor and replay.

-- name: keep_secret
insert into subscription_secret (handle, sealed, endpoint, at) values ($1, $2, $3, $4)
on conflict (handle) do update set sealed = excluded.sealed, endpoint = excluded.endpoint, at = excluded.at

-- name: bind_secrets
update subscription_secret set subscription = $2
where handle = any($1) and coalesce(subscription, $2) = $2 and endpoint = $3
returning handle

-- name: open_secrets
select handle, sealed from subscription_secret where handle = any($1) and subscription = $2

-- name: forget_secrets
-- Of subscriptions that never came to be, and of those that are off.
delete from subscription_secret s
where (s.subscription is null and s.at < $1)
   or exists (select from subscription where id = s.subscription and status = 'off')

-- name: subscriptions
select number, id, spec, status, reason, attempts, retry_at, until, since, registered, archived_to from subscription order by number

-- name: subscription
select number, id, spec, status, reason, attempts, retry_at, until, since, registered, archived_to from subscription where id = $1

-- name: register
insert into subscription (id, kind, spec, status, reason, until, since, registered, reported)
values ($1, $2, $3, $4, $5, $6, $7, $7, $8)
on conflict (id) do update set
    kind = excluded.kind, spec = excluded.spec, status = excluded.status, reason = excluded.reason, until = excluded.until,
    attempts = 0, retry_at = null, reported = excluded.reported, registered = excluded.registered,
    since = case when subscription.status = 'off' then excluded.since else subscription.since end
returning number

-- name: set_status
update subscription set status = $2, reason = $3 where number = $1 and status <> 'off'

-- name: unreported
-- Resources that do not say yet what is true: it works, it fails, or its endpoint said that it is gone.
select id, status, reason from subscription
where id like 'Subscription/%' and (status in ('active', 'error') or status = 'off' and reason like 'the endpoint%')
  and reported is distinct from status || coalesce(reason, '')

-- name: reported
update subscription set reported = $2 || coalesce($3, '') where id = $1

-- name: set_failures
update subscription set attempts = $2, retry_at = $3 where number = $1

-- name: turn_off
update subscription set status = 'off', reason = $2 where id = $1 and status <> 'off' returning number

-- name: discard_pending
update delivery set state = 'discarded', settled_at = $2, reason = $3 where subscription = $1 and state = 'pending'

-- name: cursor
select seq from delivery_cursor where name = 'dispatch' for update

-- name: move_cursor
update delivery_cursor set seq = $1 where name = 'dispatch'

-- name: enqueue
-- In the transaction that moves the cursor: due exactly once.
with new as (
    insert into delivery (subscription, replay, seq, key, reference, due_at, next_at)
    select number, $6, seq, key, reference, $5, $5
    from unnest($1::integer[], $2::bigint[], $3::text[], $4::text[]) as w (number, seq, key, reference)
    returning subscription
), counted as (select subscription, count(*) as n from new group by subscription)
update subscription set due = due + counted.n from counted where number = counted.subscription

-- name: load
select seq, key, replay, attempts, due_at, next_at from delivery
where subscription = $1 and replay = $2 and state = 'pending' and seq > $3 and not (key = any($4::text[]))
order by seq limit $5

-- name: load_lane
select seq, key, replay, attempts, due_at, next_at from delivery
where subscription = $1 and replay = $2 and state = 'pending' and key = $3 and seq > $4 and seq <= $5
order by seq limit $6

-- name: pending_replays
select distinct replay from delivery where subscription = $1 and state = 'pending' and replay > 0 order by replay

-- name: delivered
update delivery set state = 'delivered', attempts = attempts + 1, settled_at = $4, reason = null
where subscription = $1 and replay = $2 and seq = any($3::bigint[]) and state = 'pending'

-- name: failed
-- One failed attempt; the state stays pending, or becomes dead. The last twenty attempts are kept.
update delivery set state = $4, attempts = attempts + 1, next_at = $5, reason = $6,
    settled_at = case when $4 = 'pending' then null else $7::timestamptz end,
    history = (case when jsonb_array_length(history) >= 20 then history - 0 else history end) || $8::jsonb
where subscription = $1 and replay = $2 and seq = $3 and state = 'pending'

-- name: expire
update delivery set state = 'dead', settled_at = $3, reason = $4
where subscription = $1 and state = 'pending' and due_at < $2

-- name: oldest_pending
select min(due_at) as oldest, count(*) as pending from delivery where subscription = $1 and state = 'pending'

-- name: needed_from
-- The lowest event number that delivery still needs: the cursor, and what is pending or dead.
select least((select seq + 1 from delivery_cursor where name = 'dispatch'),
             (select min(seq) from delivery where state in ('pending', 'dead')))

-- name: counts
-- One statement, one snapshot: both sides of conservation are of the same moment.
select coalesce(sum(due), 0)::bigint as due,
       coalesce(sum(archived), 0)::bigint + (select count(*) from delivery where state = 'delivered') as delivered,
       (select count(*) from delivery where state = 'pending') as pending,
       (select count(*) from delivery where state = 'dead') as dead,
       (select count(*) from delivery where state = 'discarded') as discarded
from subscription

-- name: log
select s.id as subscription, s.kind, s.spec ->> 'criteria' as criteria, d.replay, d.seq, d.key, d.reference, d.state, d.attempts, d.due_at, d.next_at, d.settled_at, d.reason, d.history
from delivery d join subscription s on s.number = d.subscription
where ($1::text is null or s.id = $1) and ($2::text is null or d.state = $2) and d.seq > $3
order by d.seq, d.subscription, d.replay limit $4

-- name: by_seq
select s.id as subscription, s.kind, s.spec ->> 'criteria' as criteria, d.replay, d.seq, d.key, d.reference, d.state, d.attempts, d.due_at, d.next_at, d.settled_at, d.reason, d.history
from delivery d join subscription s on s.number = d.subscription
where d.seq = any($1::bigint[]) and d.subscription in (select number from subscription)  -- every subscription: the key begins with it
order by d.seq, d.subscription, d.replay

-- name: revive
-- Dead letters go out again as a stream of their own: they come after what has been sent since.
update delivery d set state = 'pending', attempts = 0, replay = $4, due_at = $3, next_at = $3, settled_at = null
where d.subscription = $1 and d.state = 'dead' and ($2::bigint[] is null or d.seq = any($2))
  and not exists (select from delivery e where e.subscription = d.subscription and e.seq = d.seq and e.state = 'dead' and e.replay > d.replay)

-- name: discard
update delivery d set state = 'discarded', settled_at = $3, reason = $4
from subscription s
where s.number = d.subscription and s.id = $1 and d.state = 'dead' and ($2::bigint[] is null or d.seq = any($2))

-- name: archive
-- Settled live rows older than $1 leave the table and are counted instead, some at a time; dead letters and replays stay.
with gone as (
    delete from delivery where ctid = any(array(
        select ctid from delivery where state in ('delivered', 'discarded') and replay = 0 and settled_at < $1 limit 20000))
    returning subscription, seq
), counted as (select subscription, count(*) as n, max(seq) as last from gone group by subscription)
update subscription set archived = archived + counted.n, archived_to = greatest(archived_to, counted.last)
from counted where number = counted.subscription returning counted.n

-- name: states
-- What became of these events at the subscriber, live and in replays.
select seq, array_agg(state) as states from delivery where subscription = $1 and seq = any($2::bigint[]) group by seq

-- name: new_replay
insert into replay (subscription, at, client, reason, asked, count) values ($1, $2, $3, $4, $5, $6) returning number

-- name: count_replay
update replay set count = $2 where number = $1

-- name: replays
select r.number, s.id as subscription, r.at, r.client, r.reason, r.asked, r.count,
       (select count(*) from delivery d where d.subscription = r.subscription and d.replay = r.number and d.state = 'pending') as pending
from replay r join subscription s on s.number = r.subscription order by r.number desc limit $1
