-- put_back(head as it was) -> {"OK", how many keys were dropped before, -1: the head is another by now}
--                           | {"LOGNOTREADY"}
--
-- Puts a job in place of what Redis has of it, as log and archive have it; or drops it.
--
-- KEYS[1]  meta      hash  there is a log only where this exists
-- KEYS[2]  head      hash  incarnation version expires …; the index is empty: the view has everything
-- KEYS[3]  view      list  stamp, state, data of each completed stage
-- KEYS[4]  requests  hash  the caller's own idempotency key -> "entry-id version incarnation stage"
-- ARGV[1]  was       "incarnation version" of the head, or "" where head or requests cannot be read
-- ARGV[2]  expires   ms since 1970
-- then for each of the last three keys: how many arguments follow, those of a hash being field,
-- value, field, value …

if redis.call('EXISTS', KEYS[1]) == 0 then return {'LOGNOTREADY'} end

local at = redis.pcall('HMGET', KEYS[2], 'incarnation', 'version')
local is = ''
local are_hashes = not at.err and type(redis.pcall('HLEN', KEYS[4])) == 'number'
if are_hashes and string.find(at[1] or '', '^%d+%-%d+$') and string.find(at[2] or '', '^%d+$') and #at[2] <= 15 then
  is = at[1] .. ' ' .. at[2]
end
if is ~= ARGV[1] then return {'OK', -1} end

-- Lua's stack holds some 8,000 arguments; an even number, for what takes pairs
local CHUNK = 1000
local first, dropped = 3, 0
for n, write in ipairs({'HSET', 'RPUSH', 'HSET'}) do
  local key, last = KEYS[n + 1], first + tonumber(ARGV[first])
  dropped = dropped + redis.call('DEL', key)
  for from = first + 1, last, CHUNK do
    redis.call(write, key, unpack(ARGV, from, math.min(from + CHUNK - 1, last)))
  end
  redis.call('PEXPIREAT', key, ARGV[2])
  first = last + 1
end
return {'OK', dropped}
