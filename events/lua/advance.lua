-- advance(group, start, from, last, entries) -> the entry id that the group stands at
--
-- Moves a consumer group forward, never back, and keeps its count of entries read, so that
-- XINFO GROUPS can tell its lag. A group that does not exist is created first; so is the stream of a
-- topic, but not of a log's partition: there it was lost.
--
-- KEYS[1]  log   stream  XGROUP CREATE (MKSTREAM), XGROUP SETID
-- KEYS[2]  meta  hash    a log's partition has one, a topic's has none
--
-- ARGV:
--   group
--   start    where a new group begins: an entry id, or $
--   from     the position that `entries` were counted from
--   last     the position to move to
--   entries  how many there are after `from`, up to `last`

local log, group, start, from, last = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local function named(pairs_of)
  local map = {}
  for i = 1, #pairs_of, 2 do map[pairs_of[i]] = pairs_of[i + 1] end
  return map
end

local function find()
  if redis.call('EXISTS', log) == 0 then return nil end
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', log)) do
    local found = named(info)
    if found.name == group then return found end
  end
end

-- Sequence numbers may be beyond what a Lua number holds exactly: compared as digits.
local function before(a, b)
  local a_ms, a_seq = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_seq = string.match(b, '^(%d+)-(%d+)$')
  if a_ms ~= b_ms then return tonumber(a_ms) < tonumber(b_ms) end
  if #a_seq ~= #b_seq then return #a_seq < #b_seq end
  return a_seq < b_seq
end

-- How many entries were ever added up to `last`, if that can be told from where the group stands.
local function count(at)
  local stream = named(redis.call('XINFO', 'STREAM', log))
  if stream['last-generated-id'] == last then return stream['entries-added'] end
  if at['last-delivered-id'] ~= from then return nil end
  local first, read = stream['first-entry'], at['entries-read']
  if first and before(from, first[1]) then read = stream['entries-added'] - stream['length'] end
  return read and read + ARGV[5]
end

local at = find()
if not at then
  if redis.call('EXISTS', log) == 0 and redis.call('EXISTS', KEYS[2]) == 1 then return from end
  redis.call('XGROUP', 'CREATE', log, group, start, 'MKSTREAM')
  at = find()
end
if not before(at['last-delivered-id'], last) then return at['last-delivered-id'] end
local read = count(at)
if read then
  redis.call('XGROUP', 'SETID', log, group, last, 'ENTRIESREAD', read)
else
  redis.call('XGROUP', 'SETID', log, group, last)
end
return last
