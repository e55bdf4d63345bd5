SELECT partition, ms, seq, at, fields, reason
FROM dead_letter
WHERE leaf IS NULL
  AND (%(partition)s::smallint IS NULL OR (partition, ms, seq) = (%(partition)s, %(ms)s, %(seq)s))
ORDER BY at, partition, ms, seq
