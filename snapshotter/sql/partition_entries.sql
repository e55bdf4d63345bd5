-- The events of a partition after an entry id, in the order of the log.
SELECT ms, seq, incarnation_ms, incarnation_seq, version, event::text
FROM event
WHERE partition = %s AND (ms, seq) > (%s, %s)
ORDER BY ms, seq
