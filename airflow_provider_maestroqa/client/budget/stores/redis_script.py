"""The algorithm once more, in Lua, so that Redis runs each call as one step and by its own clock.

It does what ``slot_log.py`` does; the tests feed both the same calls and compare every result. Moments are Unix
seconds of the Redis server. They are written with 17 digits, so that nothing is lost on the way.
"""

from __future__ import annotations

SCRIPT = """
local log, polls, free, line, line_until, state = unpack(KEYS)
local call, huge = ARGV[1], math.huge
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end

local function text(number) return string.format('%.17g', number) end
local function number(value, otherwise) return tonumber(value or '') or otherwise end

local known = redis.call(
  'HMGET', state, 'generation', 'not_before', 'wanted_until', 'keep', 'seen', 'numbers', 'last', 'server')
local generation = known[1] or ARGV[3]
local not_before, wanted_until = number(known[2], -huge), number(known[3], -huge)
local keep, seen, numbers = number(known[4], 0), number(known[5], -huge), number(known[6], 0)
local last_slot, server = number(known[7], -huge), known[8]

-- The server's clock was set back, or another server took over: the whole log goes back with it.
local set_back = now < seen - 1
if set_back then
  for _, key in ipairs({log, polls, free}) do
    local entries = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
    for i = 1, #entries, 2 do
      redis.call('ZADD', key, text(tonumber(entries[i + 1]) + now - seen), entries[i])
    end
  end
  redis.call('DEL', line, line_until)
  not_before, wanted_until, last_slot = not_before + now - seen, wanted_until + now - seen, last_slot + now - seen
  seen = now
end
seen = math.max(seen, now)

local function save()
  redis.call('HSET', state, 'generation', generation, 'keep', text(keep), 'seen', text(seen), 'numbers', numbers)
  if not_before > -huge then redis.call('HSET', state, 'not_before', text(not_before)) end
  if wanted_until > -huge then redis.call('HSET', state, 'wanted_until', text(wanted_until)) end
  local last = number(redis.call('ZREVRANGE', log, 0, 0, 'WITHSCORES')[2], -huge)
  redis.call('HSET', state, 'last', last > -huge and text(last) or '')
  if server then redis.call('HSET', state, 'server', server) end
  local alive = math.max(last, not_before, wanted_until, now) - now + keep + 60
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, math.ceil(alive * 1000)) end
end

local function remove(member)
  redis.call('ZREM', log, member)
  redis.call('ZREM', polls, member)
  redis.call('ZREM', free, member)
end

local function forget()
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', free, '-inf', '(' .. text(now))) do remove(member) end
  for _, key in ipairs({log, polls, free}) do
    redis.call('ZREMRANGEBYSCORE', key, '-inf', '(' .. text(now - keep))
  end
end

local function nth_last(key, n)
  return tonumber(redis.call('ZREVRANGE', key, n - 1, n - 1, 'WITHSCORES')[2] or '')
end

local function last_other()
  for _, member in ipairs(redis.call('ZREVRANGE', log, 0, -1)) do
    if not redis.call('ZSCORE', polls, member) and not redis.call('ZSCORE', free, member) then
      return tonumber(redis.call('ZSCORE', log, member))
    end
  end
end

local function find(member)
  if redis.call('ZSCORE', free, member) then return nil end
  return tonumber(redis.call('ZSCORE', log, member) or '')
end

if call == 'remaining' or call == 'release' then
  local member = ARGV[5]
  local at = (ARGV[4] == known[1]) and find(member) or nil
  if call == 'release' and at then
    if at > now then
      redis.call('ZADD', free, text(at), member)
      local back, last = 0, redis.call('ZREVRANGE', log, 0, 0)[1]
      while last and redis.call('ZSCORE', free, last) do
        back = back + 1
        last = redis.call('ZREVRANGE', log, back, back)[1]
      end
      local last_used = last and redis.call('ZSCORE', log, last) or '-inf'
      for _, unused in ipairs(redis.call('ZRANGEBYSCORE', free, last_used, '+inf')) do remove(unused) end
    else
      remove(member)
    end
  end
  if known[1] and (set_back or call == 'release') then save() end
  return at and text(at - now) or ''
end

local function lose()
  redis.call('DEL', log, polls, free)
  generation, not_before = ARGV[3], math.max(not_before, now + keep)
end

local given = 3
local function next_number()
  given = given + 1
  return tonumber(ARGV[given])
end
local longest, slowest, interval = next_number(), next_number(), next_number()
local at_once, lookahead = next_number(), next_number()
local share, share_seconds, gap_slots, gap_seconds = next_number(), next_number(), next_number(), next_number()
local polls_paced, before_reserve = next_number(), next_number()
local contention, shortest_pause, longest_pause = next_number(), next_number(), next_number()
local windows = {}
for i = 1, next_number() do
  windows[i] = {next_number(), next_number()}
end
local rest = given + 1
keep = math.max(keep, longest)

-- Another server has taken over, which may lack the last bookings, or the server has evicted the log.
local info = redis.pcall('INFO', 'server')
local answering = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or server
if server and answering ~= server or last_slot > now - keep and redis.call('EXISTS', log) == 0 then lose() end
server = answering

local function next_slot(earliest)
  local at, window = earliest, ''
  for i, pair in ipairs(windows) do
    local nth = nth_last(log, pair[1])
    if nth and nth + pair[2] > at then at, window = nth + pair[2], i - 1 end
  end
  local last = nth_last(log, 1)
  if last and last > at then at, window = last, slowest end
  return at, window
end

if call == 'pause' then
  not_before = math.max(not_before, now + tonumber(ARGV[rest]))
  forget()
  local moved = not_before
  local ahead = redis.call('ZRANGEBYSCORE', log, '(' .. text(now), '+inf', 'WITHSCORES')
  local movers = {}
  for i = 1, #ahead, 2 do
    local polling = redis.call('ZSCORE', polls, ahead[i])
    if not redis.call('ZSCORE', free, ahead[i]) then
      table.insert(movers, {ahead[i], tonumber(ahead[i + 1]), polling})
    end
    remove(ahead[i])
  end
  for _, mover in ipairs(movers) do
    moved = next_slot(math.max(mover[2], not_before))
    redis.call('ZADD', log, text(moved), mover[1])
    if mover[3] then redis.call('ZADD', polls, text(moved), mover[1]) end
  end
  if wanted_until > now then wanted_until = math.max(wanted_until, moved + contention) end
  save()
  return ''
end

local polling, patience = ARGV[rest] == '1', number(ARGV[rest + 1], huge)
local stale, witness, age = ARGV[rest + 2], ARGV[rest + 3], number(ARGV[rest + 4], huge)
local witnessed, sure = ARGV[rest + 8], number(ARGV[rest + 9], huge) < tonumber(ARGV[rest + 10]) * longest
if witness ~= '' and witness ~= generation then
  if age < longest then not_before = math.max(not_before, now + longest - age) end
elseif witnessed ~= '' and sure and not find(witnessed) then
  lose()
end
if stale ~= '' and ARGV[rest + 5] == generation then remove(stale) end
forget()
local earliest = math.max(now, not_before)
local freed = redis.call('ZRANGEBYSCORE', free, text(earliest), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
local at, window
if freed[1] then at, window = tonumber(freed[2]), slowest else at, window = next_slot(earliest) end

if polling then
  local pause, since = 0, now - tonumber(ARGV[rest + 7])
  local spare_at = -huge
  if before_reserve < 1 then
    if now < wanted_until then spare_at = huge end
  else
    local other, nth = last_other(), nth_last(log, before_reserve)
    if other and other > now - contention then
      spare_at = math.max(nth and nth + windows[slowest + 1][2] or -huge, at)
    end
  end
  if spare_at > now + 0.000001 then
    local oldest, last, before = nth_last(polls, share), nth_last(polls, 1), nth_last(log, gap_slots)
    if oldest then pause = math.max(pause, oldest + share_seconds - at) end
    if last and not (before and before > last) then pause = math.max(pause, last + gap_seconds - at) end
    if pause <= 0.000001 then pause = 0 else pause = math.min(pause, spare_at - now) end
  else
    local turn, slots = -huge, redis.call('ZREVRANGE', polls, 0, polls_paced - 1, 'WITHSCORES')
    for i = at_once, #slots / 2 do
      turn = math.max(turn, tonumber(slots[2 * i]) + (i - at_once + 1) * interval)
    end
    pause = math.max(turn > at + 0.000001 and turn - now or 0, at - now - lookahead, 0)
  end
  local ticket = ARGV[rest + 6]
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', line_until, '-inf', '(' .. text(now))) do
    redis.call('ZREM', line, gone)
    redis.call('ZREM', line_until, gone)
  end
  since = tonumber(redis.call('ZSCORE', line, ticket) or since)
  local older = redis.call('ZCOUNT', line, '-inf', '(' .. text(since))
  if pause > 0 or older > 0 then
    pause = math.min(math.max(pause, shortest_pause), longest_pause) + math.min(older * interval, 10 * longest_pause)
    if pause > patience then
      redis.call('ZREM', line, ticket)
      redis.call('ZREM', line_until, ticket)
    else
      redis.call('ZADD', line, text(since), ticket)
      redis.call('ZADD', line_until, text(now + pause + longest_pause), ticket)
    end
    save()
    return {'denied', text(pause), pause > patience and 1 or 0}
  end
  redis.call('ZREM', line, ticket)
  redis.call('ZREM', line_until, ticket)
end
if at - now > patience then
  save()
  return {'denied', text(at - now), 1}
end
if freed[1] then remove(freed[1]) end
if not polling and at > now then wanted_until = math.max(wanted_until, at + contention) end
local ahead = 0
if at > now then
  local after, until_then = '(' .. text(now), text(at)
  ahead = redis.call('ZCOUNT', log, after, until_then) - redis.call('ZCOUNT', free, after, until_then)
end
numbers = numbers + 1
-- Not the number alone, which a server that has lost its last bookings gives to others.
local member = string.format('%016d', numbers) .. string.sub(ARGV[3], 1, 8)
redis.call('ZADD', log, text(at), member)
if polling then redis.call('ZADD', polls, text(at), member) end
save()
return {'booked', member, text(at - now), tostring(window), ahead, generation}
"""
