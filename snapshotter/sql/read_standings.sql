SELECT partition, ms, seq, log.id, number, chain, chained_ms, chained_seq, ARRAY[]::numeric[],
       NULL::numeric[]
FROM position, log
ORDER BY partition
