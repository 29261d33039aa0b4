-- How often the definitions in force have changed. Drawn after a change has committed; each process holds, as a shared advisory lock, the
-- number up to which it knows them.
create sequence definition_generation as integer minvalue 0 start 1 maxvalue 2147483647;
