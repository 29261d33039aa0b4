-- When each element of a resource was last said by a message (penstock.convert.state): beside the resource, never part of it.
-- self is the identity of the resource, as in the tables of its type. Most writes change a row that is there.
create table mark (self int8 primary key, marks bytea not null) with (fillfactor = 70);
alter table mark alter column marks set storage external;
