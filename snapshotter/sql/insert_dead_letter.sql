INSERT INTO dead_letter (partition, ms, seq, fields, reason, number, chain)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (partition, ms, seq) DO UPDATE
SET fields = excluded.fields, reason = excluded.reason,
    number = excluded.number, chain = excluded.chain, leaf = NULL
