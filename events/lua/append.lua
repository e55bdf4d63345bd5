-- append(jobs of one partition) -> "fence", and for each run of a job's events, in their order:
--                                  " id version incarnation repeated count"
--                                | {"LOGNOTREADY"}
--                                | {"LOGLOST", 1}: the stream, or its end, is gone
--                                | {"JOBCLAIMED", job number, owner, lease left in ms}
--                                | {"STALECLAIM", job number, token that holds now or ""}
--                                | {"VERSION", job number, version the job is at}
--                                | {"ENDED", job number, incarnation that lives now or ""}
--
-- All of the jobs are checked before anything is written, so a call appends everything or nothing.
-- The first write is the XADD: a Redis that is full, or has no stream, refuses the call whole.
-- A run is events of one life, where id and version of each follow those of the one before; what is
-- said of it is the first's. The entries of a call have one time, so what it appends to a job is a
-- run, unless the job ends in between. (One string costs less than the list of its words.)
--
-- KEYS[1]  meta      hash    there is a log only where it has an id; fence: ms since when Redis has
--                           lost nothing; archived: the watermark
-- KEYS[2]  log       stream  XADD: event, version, incarnation; made with the log, never here
-- then for each job:
--   +1     head      hash    incarnation version expires ended keyed token owner lease retried, and the
--                            index: version -> "entry-id call-key"; the projector drops of it what it
--                            applied
--   +2     view      list    only its time to live is touched: a job expires as a whole
--   +3     requests  hash    the caller's own idempotency key -> "entry-id version incarnation
--                            stage": the stage is the rest, it may hold spaces; and a key made up
--                            for a single event -> the same without a stage
--
-- ARGV[1]  key       made up for this call: a repeated one is answered as the first was. It is
--                    remembered while the index has it
-- ARGV[2]  again     1: a call of this key was made before; it may have arrived, or be on its way
-- then for each job:
--   token         of the caller's claim, or ""
--   expected      version the job must be at (0: no live job), or ""
--   incarnation   the job must be in, or ""
--   count         of its events, then for each event:
--     kind        append | rewind | fork | delete (a live job only) | claim
--                 | steal (a claimed job too) | renew | release
--     event       JSON
--     ttl         ms that the job lives after it
--     key         the event's own, remembered as long as the job lives: a repeated one is answered
--                 as the first was; or "": the call's key is its own
--     detail      of a save under the caller's own key its stage; of a rewind the JSON list of the
--                 stages whose keys it forgets; of a claim "lease-in-ms owner"; or ""

-- What is made again was in flight with others, and these may have come in between. The index keeps
-- as many versions that the view has.
local LOOKS_BACK = 64
-- Lua's stack holds some 8,000 arguments, and a job may get more events than that. Nothing after the
-- first XADD may fail: what is in the log and in no head is lost to its job.
local CHUNK = 1000
-- Up to here every integer is exact; what was given an id from beyond the year 287,000 never expires.
local LATEST = 2 ^ 53

local call, log, call_key, again = redis.call, KEYS[2], ARGV[1], ARGV[2] == '1'
local meta = call('HMGET', KEYS[1], 'id', 'fence', 'archived')
if not meta[1] then return {'LOGNOTREADY'} end
local fence, archived = meta[2] or '0', meta[3] or '0-0'

local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- What the archive has passed it never looks at again, so no id may come from there, or from before
-- the fence. The clock's own are later as a rule; if they are not, the stream must have gone on from
-- later ones.
if now <= fence + 0 or now <= string.match(archived, '^%d+') + 0 then
  -- Sequence numbers may be beyond what a Lua number holds exactly: compared as digits.
  local function before(a, b)
    local a_ms, a_seq = string.match(a, '^(%d+)-(%d+)$')
    local b_ms, b_seq = string.match(b, '^(%d+)-(%d+)$')
    if a_ms ~= b_ms then return tonumber(a_ms) < tonumber(b_ms) end
    if #a_seq ~= #b_seq then return #a_seq < #b_seq end
    return a_seq < b_seq
  end
  local last, stream = '0-0', call('EXISTS', log) == 1 and call('XINFO', 'STREAM', log) or {}
  for n = 1, #stream, 2 do
    if stream[n] == 'last-generated-id' then last = stream[n + 1] end
  end
  if before(last, archived) or before(last, fence .. '-0') then return {'LOGLOST', 1} end
end

-- Where the last `count` events stand that the first call of this key appended, the latest first,
-- each as "id version incarnation"; nil if none came. The index may have dropped the older ones, but
-- what a call appends is a run.
local function appended_before(job, count)
  local versions, places, oldest_id, oldest_version = {}, {}, nil, nil
  for version = job.last, math.max(1, job.last - LOOKS_BACK + 1), -1 do versions[#versions + 1] = version end
  for n, known in ipairs(call('HMGET', job.head, unpack(versions))) do
    if not known then break end
    local entry, key = string.match(known, '^(%S+) ?(.*)$')
    if key == call_key then
      oldest_id, oldest_version = entry, versions[n]
      places[#places + 1] = entry .. ' ' .. versions[n] .. ' ' .. job.life
    end
  end
  if #places == 0 then return nil end
  local ms, seq = string.match(oldest_id, '^(%d+)-(%d+)$')
  for back = 1, count - #places do
    places[#places + 1] = string.format('%s-%.0f %d %s', ms, seq - back, oldest_version - back, job.life)
  end
  return places
end

local function known_under(key, job)
  local known = job.lives and call('HGET', job.requests, key)
  return known and string.match(known, '^%S+ %d+ %S+')
end

local function refusal(number, job, kind, token, expected, incarnation)
  if token ~= '' then
    if token ~= job.token then return {'STALECLAIM', number, job.token or ''} end
  elseif job.token and kind ~= 'steal' then
    return {'JOBCLAIMED', number, job.owner, job.lease - now}
  end
  if kind == 'delete' and not job.lives then return {'ENDED', number, ''} end
  if incarnation ~= '' and incarnation ~= job.incarnation then return {'ENDED', number, job.incarnation} end
  if expected ~= '' and tonumber(expected) ~= job.version then return {'VERSION', number, job.version} end
end

-- Check: `known` is where the events stand that the log has, and `rewound` the stages that a rewind
-- forgets, both by where the events begin in ARGV.
local jobs, known, at = {}, {}, 3
local rewound
for k = 3, #KEYS, 3 do
  local f = call('HMGET', KEYS[k], 'incarnation', 'version', 'expires', 'ended', 'keyed', 'token', 'owner', 'lease', 'retried')
  local job = {head = KEYS[k], view = KEYS[k + 1], requests = KEYS[k + 2], incarnation = '', version = 0, index = {}}
  if f[1] then
    job.life, job.last = f[1], f[2] + 0 -- fails here if the head is damaged, and not in mid-write
    if not f[4] and tonumber(f[3]) > now then
      job.lives, job.incarnation, job.version, job.keyed = true, f[1], job.last, f[5]
      if f[6] and tonumber(f[8]) > now then job.token, job.owner, job.lease = f[6], f[7], tonumber(f[8]) end
    end
  end
  local number, count = #jobs + 1, tonumber(ARGV[at + 3])
  jobs[number] = job
  job.first, job.after = at + 4, at + 4 + count * 5
  local before, made_up, fresh = job.life and (again or f[9]) and appended_before(job, count), 0, nil
  for e = job.after - 5, job.first, -5 do
    local key = ARGV[e + 3]
    if key ~= '' then
      known[e] = known_under(key, job)
    elseif before then
      made_up = made_up + 1
      known[e] = before[made_up]
    end
    if not known[e] then
      fresh = fresh or ARGV[e]
      if ARGV[e] == 'rewind' then
        rewound = rewound or {}
        rewound[e] = cjson.decode(ARGV[e + 4])
        call('HLEN', job.requests) -- fails if it is no hash
      end
    end
  end
  local refused = fresh and refusal(number, job, fresh, ARGV[at], ARGV[at + 1], ARGV[at + 2])
  if refused then return refused end
  at = job.after
end

local reply = {fence}
local function write_head(job)
  call('HSET', job.head, 'version', job.version, 'expires', job.expires, unpack(job.index))
  job.index = {}
end

-- A key without a stage is kept, be it a made-up one, whose call must be known when it is sent again,
-- or of before the values named stages: whoever is told "repeated" for nothing can save under another
-- key, but nobody can undo a save of a stage that was not rewound and is done twice.
local function forget(stages, job)
  local done_again = {}
  for _, stage in ipairs(stages) do done_again[stage] = true end
  local kept = call('HGETALL', job.requests)
  for n = 1, #kept, 2 do
    local stage = string.match(kept[n + 1], '^%S+ %d+ %S+ (.+)$')
    if stage and done_again[stage] then call('HDEL', job.requests, kept[n]) end
  end
end

local ms, next_id = nil, '*'
local function append(job, kind, event, ttl, key, detail, stages)
  local version = job.version + 1
  -- After a write, even one that changes nothing, a full Redis refuses no other: a deletion frees more
  -- than it takes, and a job that is held must not expire for want of room.
  if not ms and (kind == 'delete' or kind == 'renew') then call('PERSIST', KEYS[1]) end
  local id = call('XADD', log, 'NOMKSTREAM', next_id, 'event', event, 'version', version, 'incarnation', job.incarnation)
  if not id then return false end
  if not ms then
    ms = string.match(id, '^%d+')
    next_id = ms .. '-*'
  end
  if not job.lives then
    call('DEL', job.head, job.requests)
    job.lives = true
  end
  local index = job.index
  if version == 1 then
    job.incarnation, job.life = id, id
    index[1], index[2] = 'incarnation', id
  end
  local size = #index
  index[size + 1], index[size + 2] = version, key == '' and id .. ' ' .. call_key or id
  job.version, job.expires = version, math.min(ms + ttl, LATEST)
  if size >= CHUNK then write_head(job) end

  if job.run then
    reply[job.run] = reply[job.run] + 1
  else
    job.run = #reply + 2
    reply[job.run - 1], reply[job.run] = id .. ' ' .. version .. ' ' .. job.incarnation .. ' 0', 1
  end

  if key ~= '' then
    local place = id .. ' ' .. version .. ' ' .. job.incarnation
    call('HSET', job.requests, key, (kind == 'rewind' or detail == '') and place or place .. ' ' .. detail)
    if not job.keyed then call('HSET', job.head, 'keyed', 1) end
    job.keyed = true
  elseif again then
    call('HSET', job.head, 'retried', 1) -- the first call may still be on its way
  end

  if kind == 'claim' or kind == 'steal' then
    local lease, owner = string.match(detail, '^(%d+) (.*)$')
    call('HSET', job.head, 'token', id, 'owner', owner, 'lease', now + lease)
  elseif kind == 'release' then
    call('HDEL', job.head, 'token', 'owner', 'lease')
  elseif kind == 'rewind' then
    forget(stages, job)
  elseif kind == 'delete' then
    write_head(job)
    call('HSET', job.head, 'ended', 'deleted')
    call('DEL', job.requests)
    job.lives, job.incarnation, job.version, job.keyed, job.run = false, '', 0, nil, nil
  end
  return true
end

for _, job in ipairs(jobs) do
  for e = job.first, job.after - 5, 5 do
    local key = ARGV[e + 3]
    -- the same key may come twice in one call
    local place = known[e] or job.expires and key ~= '' and known_under(key, job)
    if place then
      reply[#reply + 1], reply[#reply + 2] = place .. ' 1', 1
      job.run = nil
    elseif not append(job, ARGV[e], ARGV[e + 1], ARGV[e + 2], key, ARGV[e + 4], rewound and rewound[e]) then
      return {'LOGLOST', 1} -- of the first event: nothing was written
    end
  end
  if #job.index > 0 then write_head(job) end
  if job.expires then
    call('PEXPIREAT', job.head, job.expires)
    call('PEXPIREAT', job.view, job.expires)
    if job.keyed then call('PEXPIREAT', job.requests, job.expires) end
  end
end
return table.concat(reply, ' ')
