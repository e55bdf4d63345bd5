-- a dead letter that has a leaf was discarded: only its place in the chain is kept
SELECT (SELECT count(*) FROM dead_letter WHERE leaf IS NULL), (SELECT count(*) FROM restoration)
