SELECT partition, ms, seq
FROM position
