#!lua flags=allow-oom
-- renew(token, lease) -> {"OK", ms until the job expires}
--                      | {"LOGNOTREADY"} | {"STALECLAIM", job number, token that holds now or ""}
--
-- A lease that has run out is not renewed, even if nobody took the job: its holder may have been
-- stopped for any time, and must find out at the next thing it does.
--
-- KEYS[1]  meta   hash  there is a log only where this exists
-- KEYS[2]  head   hash  token owner lease ended expires
-- ARGV[1]  token  of the claim
-- ARGV[2]  lease  in ms from now

if redis.call('EXISTS', KEYS[1]) == 0 then return {'LOGNOTREADY'} end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('HMGET', KEYS[2], 'token', 'lease', 'ended', 'expires')
local live = held[1] and not held[3] and tonumber(held[2]) > now and tonumber(held[4]) > now
if not live or held[1] ~= ARGV[1] then return {'STALECLAIM', 1, live and held[1] or ''} end

redis.call('HSET', KEYS[2], 'lease', now + tonumber(ARGV[2]))
return {'OK', tonumber(held[4]) - now}
