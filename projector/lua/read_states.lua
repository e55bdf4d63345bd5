-- read_states() -> for each view its state, or nil where there is none
--
-- KEYS  views  hash  state: the job's state without its events

local states = {}
for number, view in ipairs(KEYS) do
  states[number] = redis.call('HGET', view, 'state')
end
return states
