-- A process that hangs in the middle of a transaction must not hold its locks for ever: others wait.
-- And all that is read in order is read along an index, also from a table that Postgres has no
-- statistics of yet: for a page of it, it would collect all that comes after, and sort it. Nothing
-- here computes so much that compiling it first would pay.
SELECT set_config('idle_in_transaction_session_timeout', %(idle_ms)s::text, false),
       set_config('lock_timeout', %(lock_ms)s::text, false),
       set_config('enable_bitmapscan', 'off', false),
       set_config('jit', 'off', false)
