INSERT INTO position (partition)
SELECT generate_series(0, partitions - 1)
FROM log
ON CONFLICT DO NOTHING
