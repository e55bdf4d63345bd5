-- publish_watermark(archived) -> 1 if the watermark moved, 0 if it was there already
--
-- KEYS[1]  watermark  stream  of one entry, whose id is the watermark; fence: see the meta
-- KEYS[2]  meta       hash    fence: ms since when Redis has lost nothing
-- ARGV[1]  archived   entry id up to which the archive holds everything

-- XADD refuses an id that is not greater than the last one: that is the comparison
local fence = redis.call('HGET', KEYS[2], 'fence') or '0'
local moved = redis.pcall('XADD', KEYS[1], 'MAXLEN', 1, ARGV[1], 'archived', '1', 'fence', fence)
return moved.err and 0 or 1
