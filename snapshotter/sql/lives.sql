-- The events of some incarnations.
SELECT event.job, event.ms, event.seq, event.incarnation_ms, event.incarnation_seq, event.version,
       event.event::text
FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) AS wanted (job, incarnation_ms, incarnation_seq)
JOIN event USING (job, incarnation_ms, incarnation_seq)
ORDER BY event.job, event.version
