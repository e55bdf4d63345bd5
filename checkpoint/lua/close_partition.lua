-- close_partition(token, archived, lease, archive's time, log id or "")
--   -> {"CLOSED", last id of the log, projector's position, now in ms, has_views}
--    | {"MENDED"} | {"WHOLE"} | {"BUSY"}
--
-- has_views  0: Redis was emptied, so the position is of what others wrote into it since
-- MENDED     the meta alone was gone, and is put back
--
-- Closes a partition that has lost entries, so that one restore can write to it. BUSY: another has
-- closed it and goes on; one that does nothing for the time of its lease has it no more.
--
-- KEYS[1]  meta       hash    there is no log where this is not; fence: ms since when Redis has lost
--                            nothing; archived and dead: of what came before, only the archive can
--                            say what is a dead letter
-- KEYS[2]  log        stream
-- KEYS[3]  position   string  of the projector
-- KEYS[4]  restoring  string  token of the restore
-- ARGV[1]  token
-- ARGV[2]  archived   entry id up to which the archive holds everything
-- ARGV[3]  lease      ms until the next step must have come
-- ARGV[4]  time       of the archive, in ms
-- ARGV[5]  log id     "" where this run of Redis may lack what another had

local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end

local last, has_stream = '0-0', redis.call('EXISTS', KEYS[2]) == 1
if has_stream then
  local stream = redis.call('XINFO', 'STREAM', KEYS[2])
  for i = 1, #stream, 2 do
    if stream[i] == 'last-generated-id' then last = stream[i + 1] end
  end
end

local ms, seq = parts(last)
local archived_ms, archived_seq = parts(ARGV[2])
local behind = ms < archived_ms or ms == archived_ms and seq < archived_seq
if has_stream and not behind and redis.call('EXISTS', KEYS[1]) == 1 then return {'WHOLE'} end

if redis.call('EXISTS', KEYS[4]) == 1 then return {'BUSY'} end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if has_stream and not behind and ARGV[5] ~= '' then
  local fence = string.format('%.0f', math.max(now, ARGV[4]))
  local last_before = fence .. '-0'
  -- refuses an id that is behind, which is as well
  redis.pcall('XSETID', KEYS[2], last_before)
  redis.call('HSET', KEYS[1], 'id', ARGV[5], 'fence', fence, 'archived', ARGV[2], 'dead', last_before)
  return {'MENDED'}
end

-- first what a Redis that is full refuses: then nothing is closed that could not be restored
redis.call('SET', KEYS[4], ARGV[1], 'PX', ARGV[3])
local has_views = redis.call('DEL', KEYS[1])
return {'CLOSED', last, redis.call('GET', KEYS[3]) or '0-0', now, has_views}
