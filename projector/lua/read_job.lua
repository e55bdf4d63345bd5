-- read_job(stage or "") -> {"OK", now in ms, {incarnation, version} or {}, the view,
--                           entries that are not in it: version, entry id, event, version, …}
--                        | {"LOGNOTREADY"} | error READONLY on a replica
--                        | {"DAMAGED"} if the head cannot be read
--
-- All that a resume point needs, in one round trip and at one instant.
--
-- KEYS[1]  meta   hash    there is a log only where this exists; it never expires
-- KEYS[2]  log    stream
-- KEYS[3]  head   hash    incarnation version; version -> "entry-id call-key"
-- KEYS[4]  view   list    "incarnation version …", state, data of each completed stage
-- ARGV[1]  stage  of which alone the data is wanted, the others' being empty, or "" for all

local call = redis.call
-- A connection may stay open when its server is demoted, and an answer must not be older than what
-- the new primary acknowledged. This changes nothing, but a replica refuses it.
local asked = redis.pcall('PERSIST', KEYS[1])
if type(asked) == 'table' and string.find(asked.err, '^READONLY') then return asked end
if call('EXISTS', KEYS[1]) == 0 then return {'LOGNOTREADY'} end

local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local at = redis.pcall('HMGET', KEYS[3], 'incarnation', 'version')
if not at.err and not at[1] and not at[2] then return {'OK', now, {}, {}, {}} end
if at.err or not string.find(at[1] or '', '^%d+%-%d+$') or not string.find(at[2] or '', '^%d+$') or #at[2] > 15 then
  return {'DAMAGED'}
end

local stage = ARGV[1]
local view = redis.pcall('LRANGE', KEYS[4], 0, stage == '' and -1 or 1)
if view.err then view = {} end -- a key of another type is no view
local incarnation, applied = string.match(view[1] or '', '^(%S+) (%d+)')
if incarnation ~= at[1] then
  view, applied = {}, 0
elseif stage ~= '' then
  local is_json, state = pcall(cjson.decode, view[2])
  local stages = is_json and type(state) == 'table' and state[2]
  -- in a damaged view the places would be of other stages: it is handed on as none
  if type(stages) ~= 'table' or call('LLEN', KEYS[4]) ~= #stages + 2 then
    view = {view[1]}
  else
    for place, done in ipairs(stages) do
      local is_wanted = type(done) == 'table' and done[1] == stage
      view[place + 2] = is_wanted and call('LINDEX', KEYS[4], place + 1) or ''
    end
  end
end

-- Lua's stack holds some 8,000 values
local CHUNK = 1000
local first, last = applied + 1, tonumber(at[2])
local ms, seq = {}, {}
for from = first, last, CHUNK do
  local versions = {}
  for version = from, math.min(from + CHUNK - 1, last) do versions[#versions + 1] = version end
  for _, known in ipairs(call('HMGET', KEYS[3], unpack(versions))) do
    if not known then break end
    ms[#ms + 1], seq[#seq + 1] = string.match(known, '^(%d+)-(%d+)')
  end
  if #ms <= math.min(from + CHUNK - 1, last) - first then break end
end

-- What was appended in one call has ids that follow each other, and nothing is in between: one
-- XRANGE reads it.
local entries = {}
local from = 1
while ms[from] do
  local to = from
  while ms[to + 1] == ms[to] and tonumber(seq[to + 1]) == seq[to] + 1 do to = to + 1 end
  local run = call('XRANGE', KEYS[2], ms[from] .. '-' .. seq[from], ms[to] .. '-' .. seq[to])
  for n, entry in ipairs(run) do
    local size = #entries
    entries[size + 1], entries[size + 2], entries[size + 3] = applied + from + n - 1, entry[1], entry[2][2]
  end
  if #run <= to - from then
    -- an answer without them would be older than what was acknowledged
    if call('EXISTS', KEYS[2]) == 0 then return {'LOGNOTREADY'} end
    break
  end
  from = to + 1
end
return {'OK', now, at, view, entries}
