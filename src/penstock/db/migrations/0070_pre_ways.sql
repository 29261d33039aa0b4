-- The way of what came in, beside what it became (penstock.audit.way), and of what became nothing.
alter table event add column way text not null default '';

alter table inbox add column way text not null default '';
alter table inbox add column stopped text;      -- the stage at which it was refused, or waits to be tried again
alter table inbox add column history jsonb;     -- the last attempts that failed: time, stage, code, text, place

-- A history with one more attempt; the last twenty are kept.
create function inbox_attempt(history jsonb, moment timestamptz, stage text, code text, text text, at text) returns jsonb
language sql immutable
as $$
    select (case when jsonb_array_length(history) >= 20 then history - 0 else coalesce(history, '[]') end)
        || jsonb_build_array(jsonb_build_object('moment', moment, 'stage', stage, 'code', code, 'text', text, 'at', at))
$$;

-- Write requests that wrote nothing: refused, or nothing was to be changed. Never a value of theirs. The oldest make room.
create table unwritten (
    id       bigint generated always as identity primary key,
    moment   timestamptz not null,
    trace_id text not null,
    way      text not null,
    client   text not null,
    type     text not null,      -- the resource type, where it is one of R4
    stage    text not null,      -- the stage that it did not pass
    code     text not null,      -- a Problem, which holds no values; '' where nothing was to be changed
    text     text not null,
    at       text not null,
    problems integer not null,   -- how many there were; the first is told
    more     bigint not null     -- further requests of the same kind within a second that are counted and not kept
);
create index unwritten_trace on unwritten (hashtextextended(trace_id, 0));
create index unwritten_moment on unwritten using brin (moment);
