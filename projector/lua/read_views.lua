-- read_views() -> {"OK", position, per job: {incarnation, version, the view}, or {} without a head,
--                  or with keys that cannot be read}
--               | {"LOGNOTREADY"}
--
-- The views of some jobs of one partition as they stand, and what they would have to be.
--
-- KEYS[1]  meta      hash    there is a log only where this exists
-- KEYS[2]  position  string  of the projector
-- then for each job:
--   +1     head      hash    incarnation version
--   +2     view      list    all of it; a key of another type is none
--   +3     requests  hash

if redis.call('EXISTS', KEYS[1]) == 0 then return {'LOGNOTREADY'} end

local position = redis.pcall('GET', KEYS[2])
if type(position) ~= 'string' or not string.find(position, '^%d+%-%d+$') then position = '0-0' end

local function can_be_read(head, requests)
  if head.err or type(redis.pcall('HLEN', requests)) ~= 'number' then return false end
  return string.find(head[1] or '', '^%d+%-%d+$') and string.find(head[2] or '', '^%d+$') and #head[2] <= 15
end

local found = {'OK', position}
for k = 3, #KEYS, 3 do
  local head = redis.pcall('HMGET', KEYS[k], 'incarnation', 'version')
  if can_be_read(head, KEYS[k + 2]) then
    local view = redis.pcall('LRANGE', KEYS[k + 1], 0, -1)
    found[#found + 1] = {head[1], head[2], view.err and {} or view}
  else
    found[#found + 1] = {}
  end
end
return found
