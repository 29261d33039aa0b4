-- name: read_marks
select self, marks from mark where self = any($1::int8[])

-- name: put_marks
insert into mark (self, marks) select * from unnest($1::int8[], $2::bytea[]) as m (self, marks) order by self
on conflict (self) do update set marks = excluded.marks
