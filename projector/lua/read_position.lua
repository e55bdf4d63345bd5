-- read_position() -> {position, "" | what was stored in its place}
--
-- The projector's position. What cannot be one is dropped, and the views begin again with the log:
-- text that is no entry id, a key of another type, an id that the log has never given.
--
-- KEYS[1]  position  string  entry id of the last entry applied
-- KEYS[2]  log       stream

local stored = redis.pcall('GET', KEYS[1])
if not stored then return {'0-0', ''} end
local is_text = type(stored) == 'string'

-- Sequence numbers may be beyond what a Lua number holds exactly: compared as digits.
local function before(a, b)
  local a_ms, a_seq = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_seq = string.match(b, '^(%d+)-(%d+)$')
  if a_ms ~= b_ms then return tonumber(a_ms) < tonumber(b_ms) end
  if #a_seq ~= #b_seq then return #a_seq < #b_seq end
  return a_seq < b_seq
end

local function end_of_log()
  local stream = redis.pcall('XINFO', 'STREAM', KEYS[2])
  for n = 1, #stream, 2 do
    if stream[n] == 'last-generated-id' then return stream[n + 1] end
  end
end

if is_text and string.find(stored, '^%d+%-%d+$') then
  local last = end_of_log()
  if not last or not before(last, stored) then return {stored, ''} end
end
redis.call('DEL', KEYS[1])
return {'0-0', is_text and stored or 'a key of another type'}
