-- publish_watermark(archived) -> 1 if the watermark moved, 0 if it was there already
--
-- KEYS[1]  watermark  stream  of one entry, whose id is the watermark
-- ARGV[1]  archived   entry id up to which the archive holds everything

-- XADD refuses an id that is not greater than the last one: that is the comparison
local moved = redis.pcall('XADD', KEYS[1], 'MAXLEN', 1, ARGV[1], 'archived', '1')
return moved.err and 0 or 1
