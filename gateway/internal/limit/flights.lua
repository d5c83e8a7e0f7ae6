-- Counts what is in flight of one key over all replicas, and grants places.
--
-- KEYS[1]  hash: for each replica, how many it has in flight, and until when that is to be
--          believed (ms)
-- ARGV[1]  id of the replica
-- ARGV[2]  how many it has in flight: what was told before is replaced
-- ARGV[3]  how many more it asks for
-- ARGV[4]  limit
-- ARGV[5]  how long what it tells is good for (ms)
--
-- Returns how many are granted, as a string.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local own, need, limit, ttl = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local others = 0
local told = redis.call('HGETALL', KEYS[1])
for i = 1, #told, 2 do
  if told[i] ~= ARGV[1] then
    local count, good = string.match(told[i + 1], '(%d+) (%d+)')
    if (tonumber(good) or 0) <= now then
      redis.call('HDEL', KEYS[1], told[i])
    else
      others = others + tonumber(count)
    end
  end
end
local granted = math.max(0, math.min(need, limit - others - own))
if own + granted > 0 then
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %.0f', own + granted, now + ttl))
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
else
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return string.format('%.0f', granted)
