-- write_jobs(token, jobs of one partition) -> 1 | 0 if another restore has closed the partition since
--
-- Puts jobs in place of whatever Redis has of them, from the archive.
--
-- KEYS[1]  restoring  string  token of the restore that may do this
-- then for each job:
--   +0  head      hash  incarnation version expires …; the index is empty: the view has everything
--   +1  view      hash  incarnation version state stage:<name>
--   +2  requests  hash  the caller's own idempotency key -> "entry-id version incarnation stage"
-- ARGV[1]  token
-- then for each job:
--   expires   ms since 1970
--   then for each of the three hashes: how many arguments follow, field, value, field, value …

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end

local at = 2
for first = 2, #KEYS, 3 do
  local expires = ARGV[at]
  at = at + 1
  for key = first, first + 2 do
    redis.call('DEL', KEYS[key])
    local last = at + tonumber(ARGV[at])
    for field = at + 1, last, 2 do
      redis.call('HSET', KEYS[key], ARGV[field], ARGV[field + 1])
    end
    redis.call('PEXPIREAT', KEYS[key], expires)
    at = last + 1
  end
end
return 1
