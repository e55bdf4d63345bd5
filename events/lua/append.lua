-- append(jobs of one partition) -> {"OK", per event: id, version, incarnation, repeated}
--                                | {"LOGNOTREADY"}
--                                | {"JOBCLAIMED", job number, owner, lease left in ms}
--                                | {"STALECLAIM", job number, token that holds now or ""}
--                                | {"VERSION", job number, version the job is at}
--                                | {"ENDED", job number, incarnation that lives now or ""}
--
-- All of the jobs are checked before anything is written, so a call appends everything or nothing.
--
-- KEYS[1]  meta      hash    there is a log only where this exists
-- KEYS[2]  log       stream  XADD: event, version, incarnation
-- then for each job:
--   +1     head      hash    incarnation version entry expires ended token owner lease
--   +2     index     hash    version -> "entry-id request-key"; the projector drops what it applied
--   +3     view      hash    only its time to live is touched: a job expires as a whole
--   +4     requests  hash    the caller's own idempotency key -> "entry-id version incarnation"
--
-- ARGV: for each job:
--   token         of the caller's claim, or ""
--   expected      version the job must be at (0: no live job), or ""
--   incarnation   the job must be in, or ""
--   count         of its events, then for each event:
--     kind        append | delete (a live job only) | claim | steal (a claimed job too) | release
--     event       JSON
--     ttl         ms that the job lives after it
--     key         names this request; a repeated one is answered as the first was
--     scope       job: the caller's own key, remembered as long as the job lives;
--                 call: made up for this call, remembered while the index has it, and looked for
--                 only if scope is retry
--     owner       of a claim, or ""
--     lease       of a claim in ms, or ""

local meta, log = KEYS[1], KEYS[2]
if redis.call('EXISTS', meta) == 0 then return {'LOGNOTREADY'} end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function read_head(key)
  local f = redis.call('HMGET', key, 'incarnation', 'version', 'expires', 'ended', 'token', 'lease', 'owner')
  local lives = f[1] and not f[4] and tonumber(f[3]) > now
  return {
    lives = lives,
    incarnation = lives and f[1] or '',
    version = lives and tonumber(f[2]) or 0,
    token = lives and f[5] or '',
    lease = lives and tonumber(f[6] or 0) or 0,
    owner = f[7] or '',
    last_version = tonumber(f[2] or 0),
    last_incarnation = f[1] or '',
  }
end

local function repeated(job, key, scope)
  if scope == 'job' then
    return redis.call('HGET', job.requests, key)
  elseif scope == 'retry' then
    local version = job.head.last_version
    local known = redis.call('HGET', job.index, version)
    while known do
      local id = string.match(known, '^%S+')
      if string.sub(known, #id + 2) == key then
        return id .. ' ' .. version .. ' ' .. job.head.last_incarnation
      end
      version = version - 1
      known = redis.call('HGET', job.index, version)
    end
  end
  return false
end

local function refusal(number, job)
  local head = job.head
  local held = head.token ~= '' and head.lease > now
  if job.token ~= '' then
    if head.token ~= job.token or not held then return {'STALECLAIM', number, held and head.token or ''} end
  elseif held and job.kind ~= 'steal' then
    return {'JOBCLAIMED', number, head.owner, head.lease - now}
  end
  if job.kind == 'delete' and not head.lives then return {'ENDED', number, ''} end
  if job.incarnation ~= '' and job.incarnation ~= head.incarnation then
    return {'ENDED', number, head.incarnation}
  end
  if job.expected ~= '' and tonumber(job.expected) ~= head.version then
    return {'VERSION', number, head.version}
  end
end

local jobs, at = {}, 0
local function argument()
  at = at + 1
  return ARGV[at]
end

local number = 0
for k = 3, #KEYS, 4 do
  number = number + 1
  local job = {head_key = KEYS[k], index = KEYS[k + 1], view = KEYS[k + 2], requests = KEYS[k + 3], events = {}}
  job.token, job.expected, job.incarnation = argument(), argument(), argument()
  job.head = read_head(job.head_key)
  local fresh = 0
  for n = 1, tonumber(argument()) do
    local e = {
      kind = argument(), event = argument(), ttl = tonumber(argument()), key = argument(),
      scope = argument(), owner = argument(), lease = argument(),
    }
    e.answer = repeated(job, e.key, e.scope)
    if not e.answer then
      fresh = fresh + 1
      job.kind = e.kind
    end
    job.events[n] = e
  end
  jobs[number] = job
  local refused = fresh > 0 and refusal(number, job)
  if refused then return refused end
end

local reply = {'OK'}
local function answer(id, version, incarnation, again)
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = id, version, incarnation, again
end

local function begin_life(job)
  redis.call('DEL', job.head_key, job.index, job.requests)
  job.head.lives = true
end

local function append(job, e)
  local head = job.head
  if not head.lives then begin_life(job) end
  local version = head.version + 1
  local id = redis.call('XADD', log, '*', 'event', e.event, 'version', version, 'incarnation', head.incarnation)
  if version == 1 then head.incarnation = id end
  head.version, head.entry = version, id
  head.expires = tonumber(string.match(id, '^%d+')) + e.ttl
  redis.call('HSET', job.index, version, e.scope == 'job' and id or id .. ' ' .. e.key)
  if e.scope == 'job' then
    redis.call('HSET', job.requests, e.key, id .. ' ' .. version .. ' ' .. head.incarnation)
  end
  answer(id, version, head.incarnation, 0)
end

local function effect(job, e)
  local head = job.head
  if e.kind == 'delete' then
    redis.call('HSET', job.head_key, 'ended', 'deleted')
    redis.call('DEL', job.requests)
    head.lives, head.incarnation, head.version = false, '', 0
  elseif e.kind == 'claim' or e.kind == 'steal' then
    redis.call('HSET', job.head_key, 'token', head.entry, 'owner', e.owner, 'lease', now + tonumber(e.lease))
  elseif e.kind == 'release' then
    redis.call('HDEL', job.head_key, 'token', 'owner', 'lease')
  end
end

for _, job in ipairs(jobs) do
  local head, last = job.head, nil
  for _, e in ipairs(job.events) do
    if e.answer then
      local id, version, incarnation = string.match(e.answer, '^(%S+) (%d+) (%S+)$')
      answer(id, tonumber(version), incarnation, 1)
    else
      append(job, e)
      redis.call('HSET', job.head_key, 'incarnation', head.incarnation, 'version', head.version,
        'entry', head.entry, 'expires', head.expires)
      if e.kind ~= 'append' then effect(job, e) end
      last = head.expires
    end
  end
  if last then
    for _, key in ipairs({job.head_key, job.index, job.view, job.requests}) do
      redis.call('PEXPIREAT', key, last)
    end
  end
end
return reply
