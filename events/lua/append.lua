-- append(jobs of one partition) -> {"OK", fence, per event: id, version, incarnation, repeated}
--                                | {"LOGNOTREADY"}
--                                | {"JOBCLAIMED", job number, owner, lease left in ms}
--                                | {"STALECLAIM", job number, token that holds now or ""}
--                                | {"VERSION", job number, version the job is at}
--                                | {"ENDED", job number, incarnation that lives now or ""}
--
-- All of the jobs are checked before anything is written, so a call appends everything or nothing.
--
-- KEYS[1]  meta      hash    there is a log only where it has an id; fence: ms since when Redis has
--                           lost nothing
-- KEYS[2]  log       stream  XADD: event, version, incarnation
-- then for each job:
--   +1     head      hash    incarnation version expires ended keyed token owner lease retried, and the
--                            index: version -> "entry-id request-key"; the projector drops of it
--                            what it applied
--   +2     view      hash    only its time to live is touched: a job expires as a whole
--   +3     requests  hash    the caller's own idempotency key -> "entry-id version incarnation
--                            stage": the stage is the rest, it may hold spaces; and a made-up key
--                            of scope job -> the same without a stage
--
-- ARGV: for each job:
--   token         of the caller's claim, or ""
--   expected      version the job must be at (0: no live job), or ""
--   incarnation   the job must be in, or ""
--   count         of its events, then for each event:
--     kind        append | rewind | fork | delete (a live job only) | claim
--                 | steal (a claimed job too) | release
--     event       JSON
--     ttl         ms that the job lives after it
--     key         names this request; a repeated one is answered as the first was
--     scope       job: the caller's own key, remembered as long as the job lives;
--                 call: made up for this call, remembered while the index has it, and looked for
--                 only if scope is retry, or if such a one came before
--     owner       of a claim, or ""
--     lease       of a claim in ms, or ""
--     stage       of a save under the caller's own key its stage, of a rewind the JSON list of the
--                 stages whose keys it forgets, or ""

-- a request that is sent again follows the first one closely
local LOOKS_BACK = 64

local call = redis.call
local log = KEYS[2]
local meta = call('HMGET', KEYS[1], 'id', 'fence')
if not meta[1] then return {'LOGNOTREADY'} end

local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function read_job(head, view, requests)
  local f = call('HMGET', head, 'incarnation', 'version', 'expires', 'ended', 'keyed', 'token', 'owner', 'lease', 'retried')
  local job = {head = head, view = view, requests = requests, events = {}, last = tonumber(f[2] or 0), life = f[1] or '', retried = f[9]}
  if f[1] and not f[4] and tonumber(f[3]) > now then
    job.lives, job.incarnation, job.version, job.keyed = true, f[1], job.last, f[5]
    if f[6] and tonumber(f[8]) > now then job.token, job.owner, job.lease = f[6], f[7], tonumber(f[8]) end
  else
    job.lives, job.incarnation, job.version = false, '', 0
  end
  return job
end

local function repeated(job, key, scope)
  if scope == 'job' then return job.lives and call('HGET', job.requests, key) end
  local version = job.last
  local oldest = math.max(1, version - LOOKS_BACK + 1)
  local known = call('HGET', job.head, version)
  while known and version >= oldest do
    local id = string.match(known, '^%S+')
    if string.sub(known, #id + 2) == key then return id .. ' ' .. version .. ' ' .. job.life end
    version = version - 1
    known = call('HGET', job.head, version)
  end
  return false
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

local jobs, at = {}, 0
for k = 3, #KEYS, 3 do
  local job = read_job(KEYS[k], KEYS[k + 1], KEYS[k + 2])
  local token, expected, incarnation, count = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], tonumber(ARGV[at + 4])
  at = at + 4
  local fresh
  for n = 1, count do
    local scope = ARGV[at + 5]
    local answer = (scope ~= 'call' or job.retried) and repeated(job, ARGV[at + 4], scope)
    job.events[n] = {at = at, answer = answer}
    if not answer then fresh = ARGV[at + 1] end
    at = at + 8
  end
  local number = #jobs + 1
  jobs[number] = job
  local refused = fresh and refusal(number, job, fresh, token, expected, incarnation)
  if refused then return refused end
end

local reply, size = {'OK', tonumber(meta[2] or 0)}, 2
local function answer(id, version, incarnation, again)
  reply[size + 1], reply[size + 2], reply[size + 3], reply[size + 4] = id, version, incarnation, again
  size = size + 4
end

local function end_life(job)
  call('HSET', job.head, 'ended', 'deleted')
  call('DEL', job.requests)
  job.lives, job.incarnation, job.version, job.keyed = false, '', 0, nil
end

-- A key without a stage is kept, be it a made-up one, whose call must be known when it is sent again,
-- or of before the values named stages: whoever is told "repeated" for nothing can save under another
-- key, but nobody can undo a save of a stage that was not rewound and is done twice.
local function forget(job, stages)
  local again = {}
  for _, stage in ipairs(stages) do again[stage] = true end
  local known = call('HGETALL', job.requests)
  for n = 1, #known, 2 do
    local stage = string.match(known[n + 1], '^%S+ %d+ %S+ (.+)$')
    if stage and again[stage] then call('HDEL', job.requests, known[n]) end
  end
end

local function append(job, kind, event, ttl, key, scope, owner, lease, stage)
  if not job.lives then
    call('DEL', job.head, job.requests)
    job.lives = true
  end
  local version = job.version + 1
  local id = call('XADD', log, '*', 'event', event, 'version', version, 'incarnation', job.incarnation)
  if version == 1 then job.incarnation = id end
  job.version = version
  job.expires = tonumber(string.match(id, '^%d+')) + ttl
  call('HSET', job.head, 'incarnation', job.incarnation, 'version', version, 'expires', job.expires,
    version, scope == 'job' and id or id .. ' ' .. key)
  if scope == 'job' then
    local known = id .. ' ' .. version .. ' ' .. job.incarnation
    call('HSET', job.requests, key, stage == '' and known or known .. ' ' .. stage)
    call('HSET', job.head, 'keyed', 1)
    job.keyed = true
  end
  -- the first call of this request may still be on its way
  if scope == 'retry' then call('HSET', job.head, 'retried', 1) end
  answer(id, version, job.incarnation, 0)
  if kind == 'claim' or kind == 'steal' then
    call('HSET', job.head, 'token', id, 'owner', owner, 'lease', now + lease)
  elseif kind == 'release' then
    call('HDEL', job.head, 'token', 'owner', 'lease')
  elseif kind == 'delete' then
    end_life(job)
  elseif kind == 'rewind' then
    forget(job, cjson.decode(stage))
  end
end

for _, job in ipairs(jobs) do
  for _, e in ipairs(job.events) do
    local a = e.at
    -- the same key may come twice in one call
    local known = e.answer or ARGV[a + 5] == 'job' and repeated(job, ARGV[a + 4], 'job')
    if known then
      local id, version, incarnation = string.match(known, '^(%S+) (%d+) (%S+)')
      answer(id, tonumber(version), incarnation, 1)
    else
      append(job, ARGV[a + 1], ARGV[a + 2], tonumber(ARGV[a + 3]), ARGV[a + 4], ARGV[a + 5], ARGV[a + 6], ARGV[a + 7], ARGV[a + 8])
    end
  end
  if job.expires then
    call('PEXPIREAT', job.head, job.expires)
    call('PEXPIREAT', job.view, job.expires)
    if job.keyed then call('PEXPIREAT', job.requests, job.expires) end
  end
end
return reply
