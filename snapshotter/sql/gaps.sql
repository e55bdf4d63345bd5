-- Where versions of an incarnation are missing: the version and entry before, and those after.
SELECT job, before, version, before_ms, before_seq, ms, seq
FROM (
    SELECT job, version, ms, seq,
           lag(version, 1, 0) OVER life AS before,
           lag(ms, 1, incarnation_ms) OVER life AS before_ms,
           lag(seq, 1, incarnation_seq) OVER life AS before_seq
    FROM event
    WHERE partition = %(partition)s AND (%(job)s::text IS NULL OR job = %(job)s)
    WINDOW life AS (PARTITION BY job, incarnation_ms, incarnation_seq ORDER BY version)
) AS versions
WHERE version <> before + 1
