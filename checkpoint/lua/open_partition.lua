#!lua flags=allow-oom
-- open_partition(token, log id, last) -> 1 | 0 if another restore has closed the partition since
--
-- Makes a restored partition a log again: its next entry gets a greater id than any before.
--
-- KEYS[1]  restoring  string  token of the restore that may do this
-- KEYS[2]  meta       hash    id; fence: ms since when Redis has lost nothing; archived and dead: of
--                            what came before, only the archive can say what is a dead letter
-- KEYS[3]  log        stream
-- KEYS[4]  position   string  of the projector: the views have been written
-- KEYS[5]  watermark  stream
-- ARGV[1]  token
-- ARGV[2]  id         of the log
-- ARGV[3]  last       entry id up to which view and archive hold everything

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if redis.call('EXISTS', KEYS[3]) == 0 then
  redis.call('XGROUP', 'CREATE', KEYS[3], 'restored', '0-0', 'MKSTREAM')
  redis.call('XGROUP', 'DESTROY', KEYS[3], 'restored')
end
redis.call('SET', KEYS[4], ARGV[3])
-- both refuse an id that is behind, which is as well
redis.pcall('XSETID', KEYS[3], ARGV[3])
local fence = string.match(ARGV[3], '^%d+')
redis.pcall('XADD', KEYS[5], 'MAXLEN', 1, ARGV[3], 'archived', '1', 'fence', fence, 'dead', ARGV[3])
redis.call('HSET', KEYS[2], 'id', ARGV[2], 'fence', fence, 'archived', ARGV[3], 'dead', ARGV[3])
return 1
