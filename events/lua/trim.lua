-- trim(margin) -> how many entries were dropped
--
-- Never past the projector's position nor past the watermark: what either lacks stays.
--
-- KEYS[1]  log        stream
-- KEYS[2]  position   string  the last entry id that the views have
-- KEYS[3]  watermark  stream  its last id is the last entry id that the archive has
-- ARGV[1]  margin     ms: entries younger than this stay

-- Where one of the keys holds something else, nothing is dropped: who looks at them names it
local position = redis.pcall('GET', KEYS[2])
local archived = redis.pcall('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)[1]
if type(position) ~= 'string' or not string.find(position, '^%d+%-%d+$') or not archived then return 0 end
if redis.call('TYPE', KEYS[1]).ok ~= 'stream' then return 0 end

local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local time = redis.call('TIME')
local ms, seq = parts(position)
local archived_ms, archived_seq = parts(archived[1])
if archived_ms < ms or archived_ms == ms and archived_seq < seq then
  ms, seq = archived_ms, archived_seq
end
local margin_ms = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[1])
if margin_ms < ms then ms, seq = math.max(margin_ms, 0), 0 end
return redis.call('XTRIM', KEYS[1], 'MINID', '~', string.format('%.0f-%.0f', ms, seq))
