-- Statements of the registry. Only this package names package and package_definition.

-- name: numbers
select number from package order by number

-- name: definitions
select n, type, url, version, status, date, name, content from package_definition where package = $1 order by n
