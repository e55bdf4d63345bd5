-- set_fence(now) -> 1 | 0 if there is no log
--
-- KEYS[1]  meta  hash  fence: ms since when Redis has lost nothing
-- ARGV[1]  now   ms since 1970

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'fence', ARGV[1])
return 1
