-- beat(member, lapse) -> {1 if the member joined just now, member, member, ...}
--
-- Time is Redis' own: workers whose clocks differ still agree on who is alive.
--
-- KEYS[1]  members  zset  member -> ms since 1970 when it counts as dead
--
-- ARGV: member, and how many ms it lives from now

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lapse = tonumber(ARGV[2])

-- All members say so again soon
if redis.call('TYPE', KEYS[1]).ok ~= 'zset' then redis.call('DEL', KEYS[1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local joined = redis.call('ZADD', KEYS[1], now + lapse, ARGV[1])
redis.call('PEXPIRE', KEYS[1], lapse)
return {joined, unpack(redis.call('ZRANGE', KEYS[1], 0, -1))}
