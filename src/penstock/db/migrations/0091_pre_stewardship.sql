-- Codes that no table and no concept map knows, by where they came from. Rows are only added and settled, never counted up: many messages
-- meet the same code at once.
create table steward_task (
    number     bigint generated always as identity primary key,
    interface  text not null,
    system     text not null,
    code       text not null,
    target     text not null,             -- what it should have become a member of: a value set, or a code table
    first_seen timestamptz not null,
    state      text not null default 'open',   -- open, mapped, ignored
    settled_at timestamptz,
    settled_by text,
    unique (interface, system, code)
);
create index steward_task_state on steward_task (state);

-- The messages that met it. taken: processed again since the code is known; a code that stays unknown all the same is tried a few times.
create table steward_waiting (
    task     bigint not null references steward_task (number),
    inbox_id bigint not null,
    taken    boolean not null default false,
    tries    smallint not null default 0,
    primary key (task, inbox_id)
);
create index steward_waiting_open on steward_waiting (task, inbox_id) where not taken;
