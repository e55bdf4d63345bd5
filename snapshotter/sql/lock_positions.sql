SELECT partition, ms, seq
FROM position
WHERE partition = ANY (%s)
ORDER BY partition
FOR UPDATE
