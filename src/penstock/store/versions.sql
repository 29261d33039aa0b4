-- name: versions
select w.n, r.rid, r.ver, r.id, r.content
from unnest($1::int8[], $2::int4[]) with ordinality as w (self, ver, n) join {current} r on r.self = w.self and r.ver = w.ver
union all
select w.n, h.rid, h.ver, h.id, h.content
from unnest($1::int8[], $2::int4[]) with ordinality as w (self, ver, n) join {old} h on h.self = w.self and h.ver = w.ver
