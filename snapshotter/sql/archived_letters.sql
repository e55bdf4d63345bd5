-- The dead letters of a partition after an entry id up to another, discarded or not.
SELECT ms, seq, fields, number, chain, leaf
FROM dead_letter
WHERE partition = %(partition)s
  AND (ms, seq) > (%(after_ms)s::numeric, %(after_seq)s::numeric)
  AND (ms, seq) <= (%(ms)s::numeric, %(seq)s::numeric)
ORDER BY ms, seq
LIMIT %(limit)s
