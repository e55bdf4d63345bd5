INSERT INTO log (id, partitions)
VALUES (%s, %s)
ON CONFLICT DO NOTHING
