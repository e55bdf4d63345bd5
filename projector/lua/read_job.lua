-- read_job(stage or "") -> {"OK", now in ms, head fields, view fields, entries not in the view}
--                        | {"LOGNOTREADY"}
--
-- All that a resume point needs, in one round trip and at one instant.
--
-- KEYS[1]  meta   hash    there is a log only where this exists
-- KEYS[2]  log    stream
-- KEYS[3]  head   hash    empty reply where the job has none; version -> "entry-id request-key"
-- KEYS[4]  view   hash    incarnation version state stage:<name>
-- ARGV[1]  stage  of which alone the view's event is wanted, or "" for all

if redis.call('EXISTS', KEYS[1]) == 0 then return {'LOGNOTREADY'} end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local head = redis.call('HMGET', KEYS[3], 'incarnation', 'version')
if not head[1] then return {'OK', now, {}, {}, {}} end

local view, applied = {}, 0
local seen = redis.call('HMGET', KEYS[4], 'incarnation', 'version')
if seen[1] == head[1] then
  applied = tonumber(seen[2])
  if ARGV[1] == '' then
    view = redis.call('HGETALL', KEYS[4])
  else
    local field = 'stage:' .. ARGV[1]
    local values = redis.call('HMGET', KEYS[4], 'state', field)
    view = {'state', values[1], field, values[2]}
  end
end

local entries = {}
for version = applied + 1, tonumber(head[2]) do
  local known = redis.call('HGET', KEYS[3], version)
  if not known then break end
  local id = string.match(known, '^%S+')
  local entry = redis.call('XRANGE', KEYS[2], id, id)[1]
  if not entry then break end
  entries[#entries + 1] = entry
end
return {'OK', now, head, view, entries}
