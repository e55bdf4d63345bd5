-- write_views(position) -> {"OK"} | {"MOVED", the position as it is} | {"LOST"}
--
-- The views of a slice and the position that they stand for, written together: a slice is applied
-- once, whoever else believes to own the partition.
--
-- LOST: Redis was restarted, and came back without the slice's end. (What the views lack is never
-- trimmed.)
--
-- KEYS[1]  position  string  entry id of the last entry applied
-- KEYS[2]  log       stream
-- then for each job:
--   +1     head      hash    of its index, what the view has by now is dropped, but for the last
--                            KEEP versions
--   +2     view      hash    incarnation version state stage:<name> rebuilt
--
-- ARGV[1]  from      the position that the slice follows
-- ARGV[2]  to        the slice's last entry id
-- ARGV[3]  keep      versions that the index keeps, for requests that are sent again
-- then for each job:
--   stamp         of the view it was folded from: if another is there now, nothing is written
-- then for each job:
--   incarnation, version, expires (ms since 1970),
--   anew          1: the view held another incarnation or nothing that still counts
--   gone          how many fields to drop, then their names
--   set           how many arguments follow: field, value, field, value …; 0 leaves no view

local position = redis.call('GET', KEYS[1]) or '0-0'
if position ~= ARGV[1] then return {'MOVED', position} end
if #redis.call('XRANGE', KEYS[2], ARGV[2], ARGV[2]) == 0 then return {'LOST'} end
local keep = tonumber(ARGV[3])

local jobs = #KEYS / 2 - 1
for job = 1, jobs do
  local known = redis.call('HMGET', KEYS[2 * job + 2], 'version', 'rebuilt')
  local stamp = (known[1] or '') .. ' ' .. (known[2] or '')
  if stamp ~= ARGV[3 + job] then return {'MOVED', position} end
end

local at = 3 + jobs
local function argument()
  at = at + 1
  return ARGV[at]
end
-- Lua's stack holds some 8,000 arguments, and a job may have more fields than that
local CHUNK = 1000
local function with_arguments(command, key)
  local count = tonumber(argument())
  for first = at + 1, at + count, CHUNK do
    redis.call(command, key, unpack(ARGV, first, math.min(first + CHUNK - 1, at + count)))
  end
  at = at + count
  return count
end

local function drop_applied(head, view, version, anew)
  local before = anew and 0 or tonumber(redis.call('HGET', view, 'version') or 0)
  for done = math.max(1, before - keep + 1), version - keep do
    redis.call('HDEL', head, done)
  end
end

for k = 3, #KEYS, 2 do
  local head, view = KEYS[k], KEYS[k + 1]
  local incarnation, version, expires = argument(), tonumber(argument()), argument()
  local anew = argument() == '1'
  local lives = redis.call('HGET', head, 'incarnation') == incarnation
  if lives then drop_applied(head, view, version, anew) end
  if anew then redis.call('DEL', view) end
  with_arguments('HDEL', view)
  if with_arguments('HSET', view) > 0 then
    redis.call('HSET', view, 'incarnation', incarnation, 'version', version)
    -- the head knows of later events, so of a later expiry; a job expires as a whole
    local until_ms = lives and redis.call('PEXPIRETIME', head) or 0
    redis.call('PEXPIREAT', view, until_ms > 0 and until_ms or expires)
  end
end
redis.call('SET', KEYS[1], ARGV[2])
return {'OK'}
