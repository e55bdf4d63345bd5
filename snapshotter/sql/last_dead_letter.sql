-- The latest dead letter of a partition whose event has a text in it.
SELECT ms, seq
FROM dead_letter
WHERE partition = %s AND position(%s::bytea IN fields[2]) > 0
ORDER BY ms DESC, seq DESC
LIMIT 1
