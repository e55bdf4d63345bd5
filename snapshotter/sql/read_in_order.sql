-- For a connection that reads pages in a pipeline, which is one transaction. Each statement sees
-- what was committed before it, whatever the database's own default is. And a page is read along
-- the index, and planned once: before Postgres has statistics of a new table, it takes a partition
-- for small, and would sort the whole of it for every page.
SELECT set_config('default_transaction_isolation', 'read committed', false),
       set_config('enable_sort', 'off', false),
       set_config('plan_cache_mode', 'force_generic_plan', false)
