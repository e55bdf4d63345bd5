SELECT ms, seq, fields, number, chain, leaf
FROM dead_letter
WHERE partition = %(partition)s AND (ms, seq) < (%(ms)s, %(seq)s)
ORDER BY ms DESC, seq DESC
LIMIT 1
