-- The dead letters of which only the place in the chain is kept.
SELECT partition, ms, seq
FROM dead_letter
WHERE leaf IS NOT NULL
ORDER BY partition, ms, seq
