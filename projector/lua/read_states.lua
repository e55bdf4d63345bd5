-- read_states() -> for each view: its state, or nil where there is none; its stamp
--
-- KEYS  views  hash  state: the job's state without its events; version, rebuilt: the stamp, which
--                    tells `write_views` whether the view is still the one that was read

local states = {}
for number, view in ipairs(KEYS) do
  local known = redis.call('HMGET', view, 'state', 'version', 'rebuilt')
  states[2 * number - 1] = known[1]
  states[2 * number] = (known[2] or '') .. ' ' .. (known[3] or '')
end
return states
