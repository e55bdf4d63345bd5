-- The jobs of a partition that have events after an entry id and are not expired at a time.
SELECT job
FROM (
    SELECT DISTINCT ON (job) job, ms, event
    FROM event
    WHERE partition = %(partition)s AND (ms, seq) > (%(ms)s, %(seq)s)
    ORDER BY job, ms DESC, seq DESC
) AS latest
WHERE ms + coalesce((event ->> 'ttl_ms')::bigint, %(default_ttl_ms)s) > %(now_ms)s
