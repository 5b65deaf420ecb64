-- Moves the fence of one partition on one shard, if it stands where it is expected.
--
-- KEYS  1 fence, 2 hold
-- ARGV  1 partition, 2 from, 3 to
-- Gives {1, to}; or, when nothing was done, {0, where the fence is}, -1 when there is
-- none, or {2, fence} because the shard is held.
local at = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or -1)
if at ~= tonumber(ARGV[2]) then return {0, at} end
if redis.call('EXISTS', KEYS[2]) == 1 then return {2, at} end
-- To write what is there already would disturb those who watch the fence.
if ARGV[3] ~= ARGV[2] then redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
return {1, tonumber(ARGV[3])}
