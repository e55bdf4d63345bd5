SELECT partition, at, logged_ms, logged_seq, ms, seq, jobs
FROM restoration
ORDER BY at, partition
