INSERT INTO restoration (partition, logged_ms, logged_seq, ms, seq, jobs, resumed_ms, run)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
