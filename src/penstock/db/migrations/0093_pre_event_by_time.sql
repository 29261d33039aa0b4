-- An event is looked up by its id through the time that the id says: no index of all ids is kept. Summaries by time are made as the log grows.
drop index event_id;
drop index event_at;
create index event_at on event using brin (at) with (autosummarize = on);
