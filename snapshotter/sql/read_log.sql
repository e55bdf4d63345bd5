SELECT id, partitions
FROM log
