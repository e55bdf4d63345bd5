-- From when on a run of Redis gives ids in some partitions, where it is the last on record: one that
-- was a replica since then lacks what another run gave.
SELECT partition, resumed_ms
FROM (
    SELECT DISTINCT ON (partition) partition, resumed_ms, run
    FROM restoration
    WHERE partition = ANY (%(partitions)s)
    ORDER BY partition, resumed_ms DESC, at DESC
) AS latest
WHERE run = %(run)s
