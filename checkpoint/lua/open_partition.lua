-- open_partition(log id, archived) -> 1
--
-- Makes a restored partition a log again: its next entry gets a greater id than any archived one.
--
-- KEYS[1]  meta       hash    id
-- KEYS[2]  log        stream
-- KEYS[3]  position   string  of the projector: the views have been written up to `archived`,
--                             unless there are entries left that they lack
-- KEYS[4]  watermark  stream
-- ARGV[1]  id         of the log
-- ARGV[2]  archived   entry id up to which the archive holds everything

if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('XGROUP', 'CREATE', KEYS[2], 'restored', '0-0', 'MKSTREAM')
  redis.call('XGROUP', 'DESTROY', KEYS[2], 'restored')
  redis.call('SET', KEYS[3], ARGV[2])
end
-- both refuse an id that is behind, which is as well
redis.pcall('XSETID', KEYS[2], ARGV[2])
redis.pcall('XADD', KEYS[4], 'MAXLEN', 1, ARGV[2], 'archived', '1')
redis.call('HSET', KEYS[1], 'id', ARGV[1])
return 1
