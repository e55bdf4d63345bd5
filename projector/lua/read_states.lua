-- read_states() -> for each view: {stamp, state, length of the list}, or {} where there is none
--
-- KEYS  views  list  the stamp, which tells `write_views` whether the view is still the one that was
--                    read; the job's state; data of each completed stage. A key of another type
--                    is no view

local states = {}
for number, view in ipairs(KEYS) do
  local known = redis.pcall('LRANGE', view, 0, 1)
  if known.err then known = {} end
  if known[1] then known[3] = redis.call('LLEN', view) end
  states[number] = known
end
return states
