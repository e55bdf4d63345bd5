UPDATE position
SET ms = %s, seq = %s
WHERE partition = %s
