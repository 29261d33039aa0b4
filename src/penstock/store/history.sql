-- Statements for histories at a time (see queries.sql for those without).

-- name: history_at_of
-- Versions that were current at some time from $5 on: the one that is, those made since, and one whose successor was made since.
select rid, ver, id, content from {current} where self = $1 and rid < $2 and rid >= $3
union all
(select rid, ver, id, content from {old} o
 where self = $1 and rid < $2 and rid >= $3
   and (rid >= $5 or exists (select 1 from {old} n where n.self = o.self and n.ver = o.ver + 1 and n.rid >= $5)
                  or exists (select 1 from {current} n where n.self = o.self and n.ver = o.ver + 1 and n.rid >= $5))
 order by ver desc limit $4)
order by rid desc limit $4

-- name: history_at_of_type
(select rid, ver, id, content from {current} where tenant = $1 and rid < $2 and rid >= $3 order by rid desc limit $4)
union all
(select rid, ver, id, content from {old} o
 where tenant = $1 and rid < $2 and rid >= $3
   and (rid >= $5 or exists (select 1 from {old} n where n.self = o.self and n.ver = o.ver + 1 and n.rid >= $5)
                  or exists (select 1 from {current} n where n.self = o.self and n.ver = o.ver + 1 and n.rid >= $5))
 order by rid desc limit $4)
order by rid desc limit $4
