-- What is the same in every transaction that stores need not be planned anew in each of them, which
-- costs more than it takes. In others the values decide: a page of a table has a LIMIT.
SET LOCAL plan_cache_mode = force_generic_plan
