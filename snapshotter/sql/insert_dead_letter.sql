INSERT INTO dead_letter (partition, ms, seq, fields, reason)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (partition, ms, seq) DO UPDATE SET fields = excluded.fields, reason = excluded.reason
