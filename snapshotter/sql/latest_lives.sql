-- The events of the latest incarnation of each of some jobs.
SELECT event.job, event.ms, event.seq, event.incarnation_ms, event.incarnation_seq, event.version,
       event.event::text
FROM unnest(%s::text[]) AS wanted (job)
CROSS JOIN LATERAL (
    SELECT incarnation_ms, incarnation_seq
    FROM event
    WHERE event.job = wanted.job
    ORDER BY incarnation_ms DESC, incarnation_seq DESC
    LIMIT 1
) AS latest
JOIN event ON event.job = wanted.job
    AND event.incarnation_ms = latest.incarnation_ms
    AND event.incarnation_seq = latest.incarnation_seq
ORDER BY event.job, event.version
