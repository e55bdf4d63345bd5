DELETE FROM dead_letter
WHERE (partition, ms, seq) = (%s, %s, %s)
