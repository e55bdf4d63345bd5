-- The events of a job that follow one of them, in the order of the log, which is the index' own.
SELECT ms, seq, incarnation_ms, incarnation_seq, version, event::text
FROM event
WHERE job = %s
  AND (incarnation_ms, incarnation_seq, version) > (%s, %s, %s)
ORDER BY incarnation_ms, incarnation_seq, version
LIMIT %s
