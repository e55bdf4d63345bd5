-- From when on a run of Redis gives ids in some partitions, where that is on record.
SELECT partition, max(resumed_ms)
FROM restoration
WHERE run = %s AND partition = ANY (%s)
GROUP BY partition
