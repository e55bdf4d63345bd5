#!lua
-- create_partition(log id) -> 1 | 0 if it was created before
--
-- Makes a partition of a new log, with its stream: one that is not there later on was lost.
--
-- KEYS[1]  meta   hash    id: of the log
-- KEYS[2]  log    stream
-- ARGV[1]  id     of the log

if redis.call('HSETNX', KEYS[1], 'id', ARGV[1]) == 0 then return 0 end
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('XGROUP', 'CREATE', KEYS[2], 'created', '0-0', 'MKSTREAM')
  redis.call('XGROUP', 'DESTROY', KEYS[2], 'created')
end
return 1
