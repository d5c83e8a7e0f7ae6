-- Says that a replica lives, or that it ends, and returns how many live.
--
-- KEYS[1]  sorted set of replicas by the time of their last beat (ms)
-- ARGV[1]  id of the replica
-- ARGV[2]  how long a beat is good for (ms)
-- ARGV[3]  "1": it lives, "0": it ends
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - tonumber(ARGV[2])))
if ARGV[3] == '1' then
  redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
  redis.call('ZREM', KEYS[1], ARGV[1])
end
return tostring(redis.call('ZCARD', KEYS[1]))
