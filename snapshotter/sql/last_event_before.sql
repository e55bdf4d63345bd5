SELECT ms, seq, incarnation_ms, incarnation_seq, version, event::text, number, chain, job,
       extract(epoch FROM at) = ms / 1000.0
FROM event
WHERE partition = %(partition)s AND (ms, seq) < (%(ms)s, %(seq)s)
ORDER BY ms DESC, seq DESC
LIMIT 1
