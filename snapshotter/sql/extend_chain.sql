-- What partitions have now, a row of the arrays for each.
UPDATE position
SET ms = new.ms, seq = new.seq, chained_ms = new.ms, chained_seq = new.seq,
    number = new.number, chain = new.chain
FROM unnest(%(partition)s::smallint[], %(ms)s::numeric[], %(seq)s::numeric[],
            %(number)s::bigint[], %(chain)s::bytea[])
     AS new (partition, ms, seq, number, chain)
WHERE position.partition = new.partition
