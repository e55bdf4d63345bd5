-- measure_lag(groups …) -> {now, last, {position, entries, oldest}, {position, entries, oldest}}
--
-- How far projector and snapshotter are behind one partition's log, at one instant: where each
-- stands, how many entries it lacks, and the oldest of them ('' for none). `now` is in ms since
-- 1970, `last` the id that the log's last entry had, trimmed or not.
--
-- KEYS[1]  log        stream
-- KEYS[2]  position   string  the last entry id that the views have
-- KEYS[3]  watermark  stream  its last id is the last entry id that the archive has
-- ARGV     groups     the names of their consumer groups, in that order

-- Nothing in a stream tells how many entries follow an id, but for the id that a group stands at.
-- A group follows its position within a second; of what is in between, this much is counted.
local COUNTED = 100

local log = KEYS[1]

local function named(pairs_of)
  local map = {}
  for i = 1, #pairs_of, 2 do map[pairs_of[i]] = pairs_of[i + 1] end
  return map
end

-- What holds something else is as if it was not there: who looks at the keys names it
local function id_or_none(stored)
  return type(stored) == 'string' and string.find(stored, '^%d+%-%d+$') and stored or '0-0'
end

local stream, groups = nil, {}
if redis.call('TYPE', log).ok == 'stream' then
  stream = named(redis.call('XINFO', 'STREAM', log))
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', log)) do
    local group = named(info)
    groups[group.name] = group
  end
end

local function after(position, count)
  local found = redis.pcall('XRANGE', log, '(' .. position, '+', 'COUNT', count)
  return found.err and {} or found -- no log gives such an id
end

local function lacking(position, oldest, group)
  if oldest == stream['first-entry'][1] then return stream.length end
  if group and group.lag and group['last-delivered-id'] == position then return group.lag end
  local counted = #after(position, COUNTED + 1)
  if counted <= COUNTED then return counted end
  return math.min(group and group.lag or stream.length, stream.length)
end

local function measure(position, group)
  local oldest = stream and after(position, 1)[1]
  if not oldest then return {position, 0, ''} end
  return {position, lacking(position, oldest[1], groups[group]), oldest[1]}
end

local archived = redis.pcall('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)[1]
local time = redis.call('TIME')
return {
  time[1] * 1000 + math.floor(time[2] / 1000),
  stream and stream['last-generated-id'] or '0-0',
  measure(id_or_none(redis.pcall('GET', KEYS[2])), ARGV[1]),
  measure(archived and archived[1] or '0-0', ARGV[2]),
}
