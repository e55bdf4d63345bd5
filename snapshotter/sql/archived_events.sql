-- The events of a partition after an entry id up to another, as they stand.
SELECT ms, seq, incarnation_ms, incarnation_seq, version, event::text, number, chain, job,
       extract(epoch FROM at) = ms / 1000.0
FROM event
WHERE partition = %(partition)s
  AND (ms, seq) > (%(after_ms)s::bigint, %(after_seq)s::bigint)
  AND (ms, seq) <= (%(ms)s::bigint, %(seq)s::bigint)
ORDER BY ms, seq
LIMIT %(limit)s
