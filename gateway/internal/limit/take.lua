-- Grants requests of many keys of one rule, each key by itself, in one step.
-- Only what is granted is counted, and no counter is ever without an expiry.
--
-- ARGV[1]  number of windows, w
-- ARGV[2]  "1" when windows slide, else "0"
-- then for each window three: limit, time to live (ms), weight of the
-- previous window (0 to 1); then for each key one: how many requests ask.
-- KEYS     for each key and window one name, or two (current, previous) when
-- windows slide.
--
-- Returns one string of integers for each key: granted, and for each window
-- the current count afterwards and the previous window's.
local w = tonumber(ARGV[1])
local sliding = ARGV[2] == '1'
local names = sliding and 2 * w or w
local first = 2 + 3 * w
local out = {}
for item = 1, #KEYS / names do
  local base = (item - 1) * names
  local values = redis.call('MGET', unpack(KEYS, base + 1, base + names))
  local grant = tonumber(ARGV[first + item])
  local current, previous = {}, {}
  for i = 1, w do
    local at = sliding and 2 * i - 1 or i
    current[i] = tonumber(values[at] or '0') or 0
    previous[i] = sliding and tonumber(values[at + 1] or '0') or 0
    local limit, weight = tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 2])
    grant = math.min(grant, math.floor(limit - current[i] - previous[i] * weight))
  end
  grant = math.max(grant, 0)
  out[#out + 1] = grant
  for i = 1, w do
    if grant > 0 then
      current[i] = current[i] + grant
      redis.call('SET', KEYS[base + (sliding and 2 * i - 1 or i)], current[i], 'PX', ARGV[3 * i + 1])
    end
    out[#out + 1] = current[i]
    out[#out + 1] = previous[i]
  end
end
return table.concat(out, ' ')
