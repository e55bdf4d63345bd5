-- The events of the latest incarnation of each of some jobs, without the data in them. The json
-- is taken apart as it is: jsonb may refuse a number that json carries.
SELECT event.ms, event.seq, event.incarnation_ms, event.incarnation_seq, event.version,
       (SELECT json_object_agg(key, value) FROM json_each(event) WHERE key <> 'data')::text
FROM unnest(%s::text[]) AS wanted (job)
CROSS JOIN LATERAL (
    SELECT incarnation_ms, incarnation_seq
    FROM event
    WHERE event.job = wanted.job
    ORDER BY incarnation_ms DESC, incarnation_seq DESC
    LIMIT 1
) AS life
JOIN event ON event.job = wanted.job
          AND event.incarnation_ms = life.incarnation_ms
          AND event.incarnation_seq = life.incarnation_seq
ORDER BY event.ms, event.seq
