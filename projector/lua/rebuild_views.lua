#!lua
-- rebuild_views() -> {"OK", per job: 1 written | 0 the job has gone on or is no more}
--                  | {"LOGNOTREADY"}
--
-- Puts views in place of whatever there is. A view is written only if it lacks nothing that the
-- projector has passed, and lookups find in the index what it does lack. The token in its
-- stamp tells a projector that it has read the view that was there before.
--
-- KEYS[1]  meta      hash    there is a log only where this exists
-- KEYS[2]  position  string  of the projector
-- then for each job:
--   +1     head      hash    of its index, what the view has is dropped, but for KEEP versions
--   +2     view      list    stamp, state, data of each completed stage
--
-- ARGV[1]  keep      versions that the index keeps, for requests that are sent again
-- then for each job:
--   incarnation, version, entry id that its state has come to,
--   append     how many elements follow

local call = redis.call
if call('EXISTS', KEYS[1]) == 0 then return {'LOGNOTREADY'} end

local position = redis.pcall('GET', KEYS[2])
if type(position) ~= 'string' or not string.find(position, '^%d+%-%d+$') then position = '0-0' end
local keep = tonumber(ARGV[1])

-- Sequence numbers may be beyond what a Lua number holds exactly: compared as digits.
local function before(a, b)
  local a_ms, a_seq = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_seq = string.match(b, '^(%d+)-(%d+)$')
  if a_ms ~= b_ms then return tonumber(a_ms) < tonumber(b_ms) end
  if #a_seq ~= #b_seq then return #a_seq < #b_seq end
  return a_seq < b_seq
end

local function entry_of(head, version)
  local known = call('HGET', head, version)
  return known and string.match(known, '^%S+')
end

local function may_be_written(head, incarnation, version, id)
  local now = redis.pcall('HMGET', head, 'incarnation', 'version')
  if now.err or now[1] ~= incarnation then return false end
  local entry = entry_of(head, version)
  if entry and entry ~= id then return false end
  if tonumber(now[2]) == version then return true end
  local next_entry = entry_of(head, version + 1)
  return next_entry and before(position, next_entry)
end

local function drop_applied(head, version)
  for _, field in ipairs(call('HKEYS', head)) do
    local done = tonumber(field)
    if done and done <= version - keep then call('HDEL', head, field) end
  end
end

-- Lua's stack holds some 8,000 arguments, and a job may have more stages than that
local CHUNK = 1000
local function write(head, view, first, last)
  call('DEL', view)
  for from = first, last, CHUNK do
    call('RPUSH', view, unpack(ARGV, from, math.min(from + CHUNK - 1, last)))
  end
  call('PEXPIREAT', view, call('PEXPIRETIME', head))
end

local answers, at = {'OK'}, 1
for k = 3, #KEYS, 2 do
  local head, view = KEYS[k], KEYS[k + 1]
  local incarnation, version, id = ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3]
  local last = at + 4 + tonumber(ARGV[at + 4])
  local may = may_be_written(head, incarnation, version, id)
  if may then
    write(head, view, at + 5, last)
    drop_applied(head, version)
  end
  answers[#answers + 1] = may and 1 or 0
  at = last
end
return answers
