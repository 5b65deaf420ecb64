-- Puts the new content of a board in the place of the old, if the shard stands where
-- the new content was folded to.
--
-- KEYS  1 fence, 2 boards, 3 rules, 4 passed, 5 sorted set, 6 users, 7 new sorted
--       set, 8 new users, 9 version
-- ARGV  1 board, 2 last publish time (0: the board has no records and goes), 3 its
--       rule, 4 number of entries, 5 the next version, then for each fence: partition,
--       offset
-- Gives 1; or, when nothing was done, 0 because the shard stands elsewhere, or -1
-- because the new content is not whole.
if redis.call('HLEN', KEYS[1]) ~= (#ARGV - 5) / 2 then return 0 end
for arg = 6, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[arg]) ~= ARGV[arg + 1] then return 0 end
end
local entries = tonumber(ARGV[4])
if redis.call('ZCARD', KEYS[7]) ~= entries or redis.call('HLEN', KEYS[8]) ~= entries then return -1 end

-- UNLINK leaves it to another thread to free what may be large; RENAME would not.
redis.call('UNLINK', KEYS[5], KEYS[6])
if entries > 0 then
  for new = 7, 8 do
    redis.call('PERSIST', KEYS[new])
    redis.call('RENAME', KEYS[new], KEYS[new - 2])
  end
end
redis.call('HDEL', KEYS[4], ARGV[1])
if ARGV[2] == '0' then
  redis.call('HDEL', KEYS[2], ARGV[1])
  redis.call('HDEL', KEYS[3], ARGV[1])
else
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
  redis.call('HSET', KEYS[3], ARGV[1], ARGV[3])
end
redis.call('SET', KEYS[9], ARGV[5])
return 1
