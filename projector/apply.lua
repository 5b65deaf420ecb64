-- Folds one cut into the boards of one shard, if the shard stands where the cut begins.
--
-- KEYS  1 fence, 2 hold, 3 boards, 4 rules, 5 passed, 6 seen, 7 and 8 the halves of
--       seen, then for each board: its sorted set, its users
-- ARGV  1 partition, 2 from, 3 to, 4 dedupe window in ms, 5 most ids of a half,
--       6 the number m of event ids, m times: digest, publish time in ms; then for each board:
--         its name, its last publish time, its rule, how many of its activities are
--         passed over, the number n of operations,
--         n times: kind, user, member (16 bytes), value (thousandths)
-- Gives {1, to, number of every operation that was a stale total …}, counted from
-- 1 over the whole call; or, when nothing was applied, {0, where the fence is},
-- {2, fence} because the shard is held, {3, fence, number of every event id that
-- was seen before …}.
local fence, partition = KEYS[1], ARGV[1]
local at = tonumber(redis.call('HGET', fence, partition) or -1)
if at ~= tonumber(ARGV[2]) then return {0, at} end
if redis.call('EXISTS', KEYS[2]) == 1 then return {2, at} end

local arg, ids = 7 + 2 * tonumber(ARGV[6]), {}
for a = 7, arg - 1, 2 do ids[#ids + 1] = ARGV[a] end
if #ids > 0 then
  local window = tonumber(ARGV[4])
  local repeats = {3, at}
  for half = 7, 8 do
    local seen = redis.call('HMGET', KEYS[half], unpack(ids))
    for i = 1, #ids do
      if seen[i] and math.abs(ARGV[6 + 2 * i] - seen[i]) <= window then repeats[#repeats + 1] = i end
    end
  end
  if #repeats > 2 then return repeats end

  -- Remember them: when a half is full or as old as the window, the other one is
  -- emptied and filled, so that what is in either is the latest.
  local half, since = string.match(redis.call('HGET', KEYS[6], partition) or '', '^(%d) (%d+)$')
  if not half then half, since = 0, ARGV[8] end
  if redis.call('HLEN', KEYS[7 + half]) >= tonumber(ARGV[5]) or ARGV[arg - 1] - since > window then
    half, since = 1 - half, ARGV[8]
    redis.call('UNLINK', KEYS[7 + half])
  end
  redis.call('HSET', KEYS[6], partition, half .. ' ' .. since)
  redis.call('HSET', KEYS[7 + half], unpack(ARGV, 7, arg - 1))
end

local LIMIT = 9007199254740991
local byte, sub, format = string.byte, string.sub, string.format

-- The order of two times in their encoding, of which the last six bytes matter.
-- Strings are not compared by '<': that goes by the locale of the server.
local function later(a, b)
  if a == b then return false end
  local a1, a2, a3, a4, a5, a6 = byte(a, 3, 8)
  local b1, b2, b3, b4, b5, b6 = byte(b, 3, 8)
  local x = ((((a1 * 256 + a2) * 256 + a3) * 256 + a4) * 256 + a5) * 256 + a6
  local y = ((((b1 * 256 + b2) * 256 + b3) * 256 + b4) * 256 + b5) * 256 + b6
  return x < y
end

local reply = {1, tonumber(ARGV[3])}
local number = 0

-- Folds n operations, which begin at ARGV[arg], into one board.
local function fold(rank, users, ascending, n)
  local fields = {}
  for i = 1, n do fields[i] = ARGV[arg + 4 * i - 3] end
  local states = redis.call('HMGET', users, unpack(fields))

  -- By user, in the order of their first operation: the state before, and the
  -- time and value now; a time of false says that the user is not on the board.
  local slot, slots = {}, 0
  local user, tail, before, time, value = {}, {}, {}, {}, {}

  for i = 1, n do
    local kind, field, member, v = ARGV[arg], ARGV[arg + 1], ARGV[arg + 2], tonumber(ARGV[arg + 3])
    arg, number = arg + 4, number + 1
    local s = slot[field]
    if not s then
      slots = slots + 1
      s = slots
      slot[field], user[s], tail[s], before[s] = s, field, sub(member, 9), states[i]
      if states[i] then
        time[s], value[s] = sub(states[i], 1, 8), tonumber(sub(states[i], 9))
      else
        time[s] = false
      end
    end
    local t = sub(member, 1, 8)
    if kind == 'withdraw' then
      time[s] = false
    elseif not time[s] then
      time[s], value[s] = t, v
    elseif kind == 'total' or kind == 'latest' then
      if later(time[s], t) then
        if kind == 'total' then reply[#reply + 1] = number end
      else
        time[s], value[s] = t, v
      end
    elseif kind ~= 'enrol' then
      if kind == 'sum' then
        v = value[s] + v
        if v > LIMIT then v = LIMIT elseif v < -LIMIT then v = -LIMIT end
      elseif kind == 'max' then
        if value[s] > v then v = value[s] end
      elseif value[s] < v then
        v = value[s]
      end
      value[s] = v
      if later(t, time[s]) then time[s] = t end
    end
  end

  local zrem, zadd, hset, hdel = {}, {}, {}, {}
  for s = 1, slots do
    local old = before[s]
    if time[s] then
      local new = time[s] .. format('%.0f', value[s])
      if new ~= old then
        hset[#hset + 1], hset[#hset + 2] = user[s], new
        zadd[#zadd + 1] = ascending and 0 - value[s] or value[s]
        zadd[#zadd + 1] = time[s] .. tail[s]
        if old and sub(old, 1, 8) ~= time[s] then zrem[#zrem + 1] = sub(old, 1, 8) .. tail[s] end
      end
    elseif old then
      zrem[#zrem + 1] = sub(old, 1, 8) .. tail[s]
      hdel[#hdel + 1] = user[s]
    end
  end
  if #zrem > 0 then redis.call('ZREM', rank, unpack(zrem)) end
  if #zadd > 0 then redis.call('ZADD', rank, unpack(zadd)) end
  if #hset > 0 then redis.call('HSET', users, unpack(hset)) end
  if #hdel > 0 then redis.call('HDEL', users, unpack(hdel)) end
end

for key = 9, #KEYS, 2 do
  local board, published, rule = ARGV[arg], tonumber(ARGV[arg + 1]), ARGV[arg + 2]
  local passed, n = tonumber(ARGV[arg + 3]), tonumber(ARGV[arg + 4])
  arg = arg + 5
  if passed > 0 then redis.call('HINCRBY', KEYS[5], board, passed) end
  if n > 0 then
    -- A board stays with the rule that it was begun with, until it is made again.
    local begun = redis.call('HGET', KEYS[4], board)
    if not begun then redis.call('HSET', KEYS[4], board, rule) end
    fold(KEYS[key], KEYS[key + 1], string.match(begun or rule, '^%S+ asc ') ~= nil, n)
    local synced = redis.call('HGET', KEYS[3], board)
    if not synced or tonumber(synced) < published then
      redis.call('HSET', KEYS[3], board, format('%.0f', published))
    end
  end
end

redis.call('HSET', fence, partition, ARGV[3])
return reply
