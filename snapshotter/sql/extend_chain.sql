-- What a partition has now.
UPDATE position
SET (ms, seq) = (%s, %s), (chained_ms, chained_seq) = (%s, %s), number = %s, chain = %s
WHERE partition = %s
