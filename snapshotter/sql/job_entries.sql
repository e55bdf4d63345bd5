-- The events of a job's latest incarnation, and the server's time in ms since 1970.
SELECT ms, seq, incarnation_ms, incarnation_seq, version, event::text
FROM event
WHERE job = %(job)s
  AND (incarnation_ms, incarnation_seq) = (
      SELECT incarnation_ms, incarnation_seq
      FROM event
      WHERE job = %(job)s
      ORDER BY incarnation_ms DESC, incarnation_seq DESC
      LIMIT 1
  )
ORDER BY version
