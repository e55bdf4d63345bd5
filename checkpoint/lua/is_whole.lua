#!lua flags=no-writes
-- is_whole() -> 1 | 0 if the partition has lost its meta, its stream, or the stream's end
--
-- KEYS[1]  meta  hash    archived: the watermark
-- KEYS[2]  log   stream

local meta = redis.call('HMGET', KEYS[1], 'id', 'archived')
if not meta[1] or redis.call('EXISTS', KEYS[2]) == 0 then return 0 end

local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local stream = redis.call('XINFO', 'STREAM', KEYS[2])
for i = 1, #stream, 2 do
  if stream[i] == 'last-generated-id' then
    local ms, seq = parts(stream[i + 1])
    local archived_ms, archived_seq = parts(meta[2] or '0-0')
    return (ms < archived_ms or ms == archived_ms and seq < archived_seq) and 0 or 1
  end
end
