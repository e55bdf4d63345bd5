-- What is left stays in the chain.
UPDATE dead_letter
SET leaf = %s, fields = '{}', reason = ''
WHERE (partition, ms, seq) = (%s, %s, %s) AND leaf IS NULL
