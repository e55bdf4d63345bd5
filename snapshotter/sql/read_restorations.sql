SELECT partition, at, logged_ms, logged_seq, ms, seq, jobs, resumed_ms
FROM restoration
ORDER BY at, partition
