-- A process that hangs in the middle of a transaction must not hold its locks for ever: others wait.
SELECT set_config('idle_in_transaction_session_timeout', %(idle_ms)s::text, false),
       set_config('lock_timeout', %(lock_ms)s::text, false)
