-- When the oldest incarnation began that has events of a partition in a span of time: ms since 1970.
SELECT min(incarnation_ms)
FROM event
WHERE partition = %s AND ms >= %s AND ms < %s
