-- The last entries before an entry id, of each of some partitions: those of jobs that have a text
-- in their names (in capitals or not, of ASCII), and the last of as many as were to be looked at.
SELECT start.partition, latest.ms, latest.seq, latest.job, latest.number
FROM unnest(%(partitions)s::smallint[], %(ms)s::bigint[], %(seq)s::bigint[])
         AS start (partition, ms, seq)
CROSS JOIN LATERAL (
    SELECT ms, seq, job, row_number() OVER (ORDER BY ms DESC, seq DESC) AS number
    FROM event
    WHERE partition = start.partition AND (ms, seq) < (start.ms, start.seq)
    ORDER BY ms DESC, seq DESC
    LIMIT %(limit)s
) AS latest
WHERE strpos(lower(latest.job COLLATE "C"), lower(%(name)s::text COLLATE "C")) > 0
   OR latest.number = %(limit)s
