-- Nobody else adds to these partitions until the transaction ends.
SELECT FROM position
WHERE partition = ANY (%s)
ORDER BY partition
FOR UPDATE
