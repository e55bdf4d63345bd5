-- What Redis lost of some partitions, as far as their positions are not past it: after an entry id,
-- before a time in ms.
SELECT partition, lost.ms, lost.seq, resumed_ms
FROM restoration AS lost
JOIN position USING (partition)
WHERE partition = ANY (%s)
  AND resumed_ms > position.ms
