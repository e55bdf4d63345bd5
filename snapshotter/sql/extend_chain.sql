UPDATE position
SET ms = %(ms)s, seq = %(seq)s, chained_ms = %(ms)s, chained_seq = %(seq)s,
    number = %(number)s, chain = %(chain)s
WHERE partition = %(partition)s
