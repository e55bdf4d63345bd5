#!lua flags=allow-oom
-- publish_watermark(archived, dead) -> 1 if the watermark moved, 0 if it was there already, or if
--                                      there is no log: then who restores it publishes where it
--                                      goes on
--
-- Also when Redis is full: what the archive has may be trimmed.
--
-- KEYS[1]  watermark  stream  of one entry, whose id is the watermark; fence and dead: see the meta
-- KEYS[2]  meta       hash    fence: ms since when Redis has lost nothing; archived: the watermark,
--                            for the append script; dead: up to the watermark, no entry after this
--                            one is a dead letter
-- ARGV[1]  archived   entry id up to which the archive holds everything
-- ARGV[2]  dead       entry id up to which some of that may be dead letters

-- Of the watermark nothing is lost: it is what is published. A partition whose meta cannot be read has
-- no log, and must not keep others waiting
if redis.call('TYPE', KEYS[1]).ok ~= 'stream' then redis.call('DEL', KEYS[1]) end
local meta = redis.pcall('HMGET', KEYS[2], 'id', 'fence', 'dead')
if meta.err or not meta[1] then return 0 end

-- Sequence numbers may be beyond what a Lua number holds exactly: compared as digits.
local function before(a, b)
  local a_ms, a_seq = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_seq = string.match(b, '^(%d+)-(%d+)$')
  if a_ms ~= b_ms then return tonumber(a_ms) < tonumber(b_ms) end
  if #a_seq ~= #b_seq then return #a_seq < #b_seq end
  return a_seq < b_seq
end

-- Others publish, too, and may not have seen the same
local dead = meta[3]
if not dead or not string.find(dead, '^%d+%-%d+$') or before(dead, ARGV[2]) then dead = ARGV[2] end

-- XADD refuses an id that is not greater than the last one: that is the comparison
local moved = redis.pcall('XADD', KEYS[1], 'MAXLEN', 1, ARGV[1], 'archived', '1', 'fence', meta[2] or '0', 'dead', dead)
if moved.err and not string.find(moved.err, 'equal or smaller') then return moved end
if moved.err then return 0 end
redis.call('HSET', KEYS[2], 'archived', ARGV[1], 'dead', dead)
return 1
