-- read_outlines() -> {"OK", now in ms, for each job: {} or
--                     {incarnation, version, owner or "", the view's state or "",
--                      entries that are not in it: version, entry id, event, version, …}}
--                     A job whose head cannot be read is as one that Redis does not know.
--                  | {"LOGNOTREADY"}
--
-- What read_job tells, of many jobs of a partition at one instant, without the views' data.
--
-- KEYS[1]  meta   hash    there is a log only where this exists
-- KEYS[2]  log    stream
-- then for each job:
--   +1     head   hash    incarnation version owner lease; version -> "entry-id call-key"
--   +2     view   list    "incarnation version …", state

if redis.call('EXISTS', KEYS[1]) == 0 then return {'LOGNOTREADY'} end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function unapplied(head, first, last)
  local entries = {}
  for version = first, last do
    local known = redis.call('HGET', head, version)
    if not known then break end
    local id = string.match(known, '^%d+%-%d+')
    local entry = id and redis.call('XRANGE', KEYS[2], id, id)[1]
    if not entry then break end
    local size = #entries
    entries[size + 1], entries[size + 2], entries[size + 3] = version, id, entry[2][2]
  end
  return entries
end

local function outline(head, view)
  local at = redis.pcall('HMGET', head, 'incarnation', 'version', 'owner', 'lease')
  if at.err or not string.find(at[1] or '', '^%d+%-%d+$') or not string.find(at[2] or '', '^%d+$') or #at[2] > 15 then
    return {}
  end
  local owner = at[3] and (tonumber(at[4]) or 0) > now and at[3] or ''
  local seen = redis.pcall('LRANGE', view, 0, 1)
  if seen.err then seen = {} end -- a key of another type is no view
  local incarnation, applied = string.match(seen[1] or '', '^(%S+) (%d+)')
  local state = seen[2] or ''
  if incarnation ~= at[1] then applied, state = 0, '' end
  return {at[1], at[2], owner, state, unapplied(head, applied + 1, tonumber(at[2]))}
end

local reply = {'OK', now}
for k = 3, #KEYS, 2 do
  reply[#reply + 1] = outline(KEYS[k], KEYS[k + 1])
end
return reply
