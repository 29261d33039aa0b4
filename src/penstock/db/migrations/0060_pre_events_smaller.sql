-- The event log is written with every change: what can be said from another column, or found by a hash, is not kept twice.
alter table event drop column name;   -- op says it

drop index event_resource;
drop index event_key;                 -- nobody looks events up by it
drop index event_trace;
create index event_resource on event (hashtextextended(type || '/' || resource_id, 0), seq);
create index event_trace on event (hashtextextended(trace_id, 0));
