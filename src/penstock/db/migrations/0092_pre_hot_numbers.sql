-- The number that a type is filtered by most lies in the row itself, not among the ranges; the rows of a code lie in the order of rid, too;
-- and those of a patient need one index, not two: the code filters within it. Rows are indexed again by the running program.
do $$
declare
    name text;
    hot text;
    dated bool;
begin
    set local client_min_messages = error;
    for name in select relname from pg_class where relkind = 'r' and relnamespace = current_schema()::regnamespace and relname ~ '^r_[a-z]+$' loop
        hot := case name when 'r_observation' then ', num, (coalesce(common, num))' else '' end;
        dated := to_regclass(name || '_dlo') is not null;
        execute format('alter table %I add column if not exists num float8, add column if not exists common float8,'
            ' add column if not exists unit int8', name);
        if to_regclass(name || '_pat_code') is not null then
            execute format('drop index %I, %I', name || '_pat_code', name || '_pat');
            execute format('create index %I on %I (pat, dlo, code) where pat is not null', name || '_pat', name);
        end if;
        if to_regclass(name || '_code') is not null then
            execute format('create index %I on %I (code, rid%s%s) where code is not null',
                name || '_code_rid', name, case when dated then ', dhi' else '' end, hot);
            if not dated then
                execute format('drop index %I', name || '_code');
            end if;
        end if;
        if hot <> '' then
            execute format('create index %I on %I ((coalesce(common, num))) where num is not null', name || '_num', name);
            execute format('create index %I on %I (num) where common is not null', name || '_written', name);
            execute format('create index %I on %I (code, rid) where num = ''NaN''', name || '_ranged', name);
        end if;
    end loop;
end
$$;
