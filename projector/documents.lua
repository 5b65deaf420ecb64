-- Keeps one range of a compacted topic, if its fence stands where the range begins.
--
-- KEYS  1 fence, then the hashes
-- ARGV  1 partition, 2 from, 3 to, then for each document: the number of its
--       hash in KEYS, field, value (empty: erase)
-- Gives {1, to}, or {0, where the fence is} when nothing was applied.
local at = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0)
if at ~= tonumber(ARGV[2]) then return {0, at} end
for arg = 4, #ARGV, 3 do
  local hash, field, value = KEYS[tonumber(ARGV[arg])], ARGV[arg + 1], ARGV[arg + 2]
  if value == '' then
    redis.call('HDEL', hash, field)
  else
    redis.call('HSET', hash, field, value)
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return {1, tonumber(ARGV[3])}
