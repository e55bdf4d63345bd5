DELETE FROM dead_letter
WHERE (partition, ms, seq) = (%s, %s, %s) AND leaf IS NULL
RETURNING number, chain
