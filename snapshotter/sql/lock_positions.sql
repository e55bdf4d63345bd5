SELECT partition, ms, seq, log.id, number, chain, chained_ms, chained_seq
FROM position, log
WHERE partition = ANY (%s)
ORDER BY partition
FOR UPDATE OF position
