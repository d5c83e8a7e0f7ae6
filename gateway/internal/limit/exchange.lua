-- Adds what a replica counted to the shared counters and returns their totals.
--
-- KEYS  counters
-- ARGV  for each counter two: what to add (0: only read), time to live (ms)
--
-- Returns one string: the totals, as integers.
local out = {}
for i = 1, #KEYS do
  local add = ARGV[2 * i - 1]
  if add == '0' then
    out[i] = tonumber(redis.call('GET', KEYS[i]) or '0') or 0
  else
    out[i] = redis.call('INCRBY', KEYS[i], add)
    redis.call('PEXPIRE', KEYS[i], ARGV[2 * i])
  end
end
return table.concat(out, ' ')
