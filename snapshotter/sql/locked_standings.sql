-- How far the archive of some partitions goes. What Redis lost of them is told too, as far as they
-- are not past it, in rows of (after ms, after seq, before ms). To be asked once they are locked:
-- a statement that waits for a lock sees all other rows as they were before it waited.
SELECT partition, ms, seq, log.id, number, chain, chained_ms, chained_seq,
       ARRAY(
           SELECT ARRAY[lost.ms, lost.seq, resumed_ms]
           FROM restoration AS lost
           WHERE lost.partition = position.partition AND resumed_ms > position.ms
       ),
       (
           SELECT ARRAY[dead.ms, dead.seq]
           FROM dead_letter AS dead
           WHERE dead.partition = position.partition
           ORDER BY dead.ms DESC, dead.seq DESC
           LIMIT 1
       )
FROM position, log
WHERE partition = ANY (%s)
