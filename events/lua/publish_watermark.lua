-- publish_watermark(archived) -> 1 if the watermark moved, 0 if it was there already, or if there is
--                                no log: then who restores it publishes where it goes on
--
-- KEYS[1]  watermark  stream  of one entry, whose id is the watermark; fence: see the meta
-- KEYS[2]  meta       hash    fence: ms since when Redis has lost nothing
-- ARGV[1]  archived   entry id up to which the archive holds everything

-- Of the watermark, nothing is lost: it is what is published. A partition whose meta holds something
-- else has no log
if redis.call('TYPE', KEYS[1]).ok ~= 'stream' then redis.call('DEL', KEYS[1]) end
local meta = redis.pcall('HMGET', KEYS[2], 'id', 'fence')
if not meta[1] then return 0 end

-- XADD refuses an id that is not greater than the last one: that is the comparison
local moved = redis.pcall('XADD', KEYS[1], 'MAXLEN', 1, ARGV[1], 'archived', '1', 'fence', meta[2] or '0')
if not moved.err then return 1 end
return string.find(moved.err, 'equal or smaller', 1, true) and 0 or moved
