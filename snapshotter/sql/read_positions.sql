SELECT partition, ms, seq, partitions
FROM log
LEFT JOIN position ON true
