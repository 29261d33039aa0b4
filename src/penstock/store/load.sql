-- Statements of bulk loading.

-- name: taken
-- Which of these resources are there, or were.
select self from {current} where self = any($1::text::int8[]) union all select self from {old} where self = any($1::text::int8[])

-- name: analyze
analyze {current}

-- name: analyze_shared
analyze ident, str, rng, event
