-- A process that was stopped in the middle of a COPY is neither idle nor does any timeout of
-- Postgres end it. What it had copied is rolled back; if it goes on, it connects anew.
SELECT count(pg_terminate_backend(pid))
FROM pg_stat_activity
WHERE datname = current_database()
  AND usename = session_user
  AND pid <> pg_backend_pid()
  AND state = 'active'
  AND wait_event = 'ClientRead'
  AND query LIKE 'COPY event%%'
  AND query_start < now() - %s * interval '1 millisecond'
