-- put_meta_back(log id, archived, fence) -> 1 | 0 if the meta is there, or the log lost entries too
--
-- Makes a partition a log again whose meta alone is gone: its entries stay as they are.
--
-- KEYS[1]  meta      hash    id; fence: ms since when Redis has lost nothing; archived and dead: of
--                           what came before, only the archive can say what is a dead letter
-- KEYS[2]  log       stream
-- ARGV[1]  id        of the log
-- ARGV[2]  archived  entry id up to which the archive holds everything
-- ARGV[3]  fence     ms since 1970

local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end

if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
local stream, last = redis.call('XINFO', 'STREAM', KEYS[2]), '0-0'
for i = 1, #stream, 2 do
  if stream[i] == 'last-generated-id' then last = stream[i + 1] end
end
local ms, seq = parts(last)
local archived_ms, archived_seq = parts(ARGV[2])
if ms < archived_ms or ms == archived_ms and seq < archived_seq then return 0 end

local fence = ARGV[3] .. '-0'
-- refuses an id that is behind, which is as well
redis.pcall('XSETID', KEYS[2], fence)
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'fence', ARGV[3], 'archived', ARGV[2], 'dead', fence)
return 1
