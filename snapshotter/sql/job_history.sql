-- All events of a job, of every incarnation, in the order of the log.
SELECT ms, seq, incarnation_ms, incarnation_seq, version, event::text
FROM event
WHERE job = %s
ORDER BY ms, seq
