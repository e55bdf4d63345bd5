-- A process that hangs in the middle of a transaction must not hold its locks for ever: others wait.
SET idle_in_transaction_session_timeout = '5s'
