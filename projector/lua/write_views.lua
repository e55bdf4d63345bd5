#!lua flags=allow-oom
-- write_views(position) -> {"OK"} | {"MOVED", the position as it is} | {"LOST"}
--
-- The views of a slice and the position that they stand for, written together: a slice is applied
-- once, whoever else believes to own the partition.
--
-- Also when Redis is full: only what the views have may be trimmed, and they take no more than that.
--
-- LOST: Redis was restarted, and came back without the slice's end. (What the views lack is never
-- trimmed.)
--
-- KEYS[1]  position  string  entry id of the last entry applied
-- KEYS[2]  log       stream
-- then for each job:
--   +1     head      hash    of its index, what the view has by now is dropped, but for the latest
--   +2     view      list    stamp, state, data of each completed stage
--
-- ARGV[1]  from      the position that the slice follows
-- ARGV[2]  to        the slice's last entry id
-- then for each job:
--   stamp         of the view it was folded from: if another is there now, nothing is written
-- then for each job:
--   incarnation, expires (ms since 1970),
--   anew          1: the view held another incarnation or nothing that still counts
--   then four times how many arguments follow, and those:
--     forget      versions that the index can do without
--     set         place, element, place, element …
--     drop        places
--     append      elements

local call, pcall = redis.call, redis.pcall
local position = pcall('GET', KEYS[1]) or '0-0'
-- What is no position is as none: the projector looks it up again, which drops it
if type(position) ~= 'string' or not string.find(position, '^%d+%-%d+$') then position = '0-0' end
if position ~= ARGV[1] then return {'MOVED', position} end
if #call('XRANGE', KEYS[2], ARGV[2], ARGV[2]) == 0 then return {'LOST'} end

local jobs = #KEYS / 2 - 1
for job = 1, jobs do
  local stamp = pcall('LINDEX', KEYS[2 * job + 2], 0) or ''
  if type(stamp) ~= 'string' then stamp = '' end -- a key of another type is no view
  if stamp ~= ARGV[2 + job] then return {'MOVED', position} end
end

local at = 2 + jobs
local function arguments()
  local first = at + 2
  at = at + 1 + tonumber(ARGV[at + 1])
  return first, at
end

-- Lua's stack holds some 8,000 arguments, and a job may have more stages than that
local CHUNK = 1000
local function with_each(command, key, first, last)
  for from = first, last, CHUNK do
    call(command, key, unpack(ARGV, from, math.min(from + CHUNK - 1, last)))
  end
end

-- An empty element is no data, so it can stand for what is to go
local function drop(view, first, last)
  for n = first, last do call('LSET', view, ARGV[n], '') end
  if first <= last then call('LREM', view, 0, '') end
end

for k = 3, #KEYS, 2 do
  local head, view = KEYS[k], KEYS[k + 1]
  local incarnation, expires, anew = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3] == '1'
  at = at + 3

  local first, last = arguments()
  local lives = (anew or first <= last) and pcall('HGET', head, 'incarnation') == incarnation
  if lives then with_each('HDEL', head, first, last) end
  if anew then call('DEL', view) end
  first, last = arguments()
  for n = first, last, 2 do call('LSET', view, ARGV[n], ARGV[n + 1]) end
  drop(view, arguments())
  first, last = arguments()
  with_each('RPUSH', view, first, last)
  if anew and first <= last then
    -- the head knows of later events, so of a later expiry; a job expires as a whole
    local until_ms = lives and call('PEXPIRETIME', head) or 0
    call('PEXPIREAT', view, until_ms > 0 and until_ms or expires)
  end
end
call('SET', KEYS[1], ARGV[2])
return {'OK'}
