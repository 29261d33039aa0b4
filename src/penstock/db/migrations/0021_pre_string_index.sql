-- Texts that contain something are found by reading all texts of one parameter: from the index alone, without the table, six times as fast.
drop index str_val;
create index str_val on str (param, val) include (rid);
