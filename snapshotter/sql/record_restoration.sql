INSERT INTO restoration (partition, logged_ms, logged_seq, ms, seq, jobs)
VALUES (%s, %s, %s, %s, %s, %s)
