#!lua flags=allow-oom
-- set_meta(field, value, …)
--
-- HSET that a Redis which is full carries out, too: it must be able to go on after a restart.
--
-- KEYS[1]  meta  hash  of a log
-- ARGV     fields and values

redis.call('HSET', KEYS[1], unpack(ARGV))
