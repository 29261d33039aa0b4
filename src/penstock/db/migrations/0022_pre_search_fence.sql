-- Rows are proved to be indexed anew only when every transaction is over that may have begun before all processes knew what is new.
alter table search_index add column fence xid8;
