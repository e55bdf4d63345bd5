#!lua
-- write_jobs(token, lease, jobs of one partition) -> 1 | 0 if another restore has closed the partition since
--
-- Puts jobs in place of whatever Redis has of them, from the archive.
--
-- KEYS[1]  restoring  string  token of the restore that may do this
-- then for each job:
--   +0  head      hash  incarnation version expires …; the index is empty: the view has everything
--   +1  view      list  stamp, state, data of each completed stage
--   +2  requests  hash  the caller's own idempotency key -> "entry-id version incarnation stage"
-- ARGV[1]  token
-- ARGV[2]  lease      ms until the next step must have come
-- then for each job:
--   expires   ms since 1970
--   then for each of the three: how many arguments follow, those of a hash being field, value, …

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])

local WRITES = {'HSET', 'RPUSH', 'HSET'}
-- Lua's stack holds some 8,000 arguments; an even number, for what takes pairs
local CHUNK = 1000

local at = 3
for job = 2, #KEYS, #WRITES do
  local expires = ARGV[at]
  at = at + 1
  for n, write in ipairs(WRITES) do
    local key, last = KEYS[job + n - 1], at + tonumber(ARGV[at])
    redis.call('DEL', key)
    for from = at + 1, last, CHUNK do
      redis.call(write, key, unpack(ARGV, from, math.min(from + CHUNK - 1, last)))
    end
    redis.call('PEXPIREAT', key, expires)
    at = last + 1
  end
end
return 1
