-- The last entries before an entry id, of each of some partitions.
SELECT start.partition, latest.ms, latest.seq, latest.job
FROM unnest(%(partitions)s::smallint[], %(ms)s::bigint[], %(seq)s::bigint[])
         AS start (partition, ms, seq)
CROSS JOIN LATERAL (
    SELECT ms, seq, job
    FROM event
    WHERE partition = start.partition AND (ms, seq) < (start.ms, start.seq)
    ORDER BY ms DESC, seq DESC
    LIMIT %(limit)s
) AS latest
