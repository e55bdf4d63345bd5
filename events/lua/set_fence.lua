#!lua flags=allow-oom
-- set_fence(fence) -> 1 | 0 if there is no log
--
-- Lets a partition go on after a restart: no entry gets an id from before the fence any more,
-- whatever the clock says.
--
-- KEYS[1]  meta   hash    fence: ms since when Redis has lost nothing
-- KEYS[2]  log    stream
-- ARGV[1]  fence  ms since 1970

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if tonumber(redis.call('HGET', KEYS[1], 'fence') or 0) < tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'fence', ARGV[1])
end
-- refuses an id that is behind, which is as well; without a stream, nothing is appended
redis.pcall('XSETID', KEYS[2], ARGV[1] .. '-0')
return 1
