-- All events of a job, of every incarnation, as they stand.
SELECT ms, seq, incarnation_ms, incarnation_seq, version, event::text, number, chain, job,
       extract(epoch FROM at) = ms / 1000.0
FROM event
WHERE job = %s
ORDER BY ms, seq
