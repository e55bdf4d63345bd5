-- read_views() -> {"OK", position, per job: {incarnation, version, the view}, or {} without a head}
--               | {"LOGNOTREADY"}
--
-- The views of some jobs of one partition as they stand, and what they would have to be.
--
-- KEYS[1]  meta      hash    there is a log only where this exists
-- KEYS[2]  position  string  of the projector
-- then for each job:
--   +1     head      hash    incarnation version
--   +2     view      list    all of it

if redis.call('EXISTS', KEYS[1]) == 0 then return {'LOGNOTREADY'} end

local found = {'OK', redis.call('GET', KEYS[2]) or '0-0'}
for k = 3, #KEYS, 2 do
  local head = redis.call('HMGET', KEYS[k], 'incarnation', 'version')
  found[#found + 1] = head[1] and {head[1], head[2], redis.call('LRANGE', KEYS[k + 1], 0, -1)} or {}
end
return found
