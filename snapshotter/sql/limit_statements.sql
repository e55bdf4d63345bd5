-- In this transaction a statement may take so many milliseconds.
SELECT set_config('statement_timeout', %s::text, true)
