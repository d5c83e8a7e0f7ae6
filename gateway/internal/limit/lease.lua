-- Grants permits of many keys of one rule, each key by itself, in one step.
-- Redis' clock says which windows are open. Only what is granted is counted,
-- and no counter is ever without an expiry.
--
-- KEYS     one for each item. A key may be there several times: items are
--          handled in their order.
-- ARGV[1]  number of windows, w
-- ARGV[2]  "1" when windows slide, else "0"
-- ARGV[3]  live replicas
-- ARGV[4]  how long a counter outlives its windows (ms)
-- then for each window six: limit, length (ms; 0: by the calendar), and four
--          ends of calendar windows around the present (ms since 1970), or, with
--          a length, the size of a token bucket (0: a window) and three zeros
-- then for each item one string: need (requests that wait) alone, or need, want
--          (permits to hold beyond them), spent and back (permits held before
--          that were used, and that are given back), and w starts of the windows
--          these were granted in.
--
-- The state of a key is four integers for each window: its start, what was
-- granted in it, what was granted in the window before, and how many of the
-- granted are held by replicas, as far as these have told. Of a token bucket:
-- a time, how many millionths of a token were missing then, and two zeros.
--
-- Returns one string of integers: the time, and for each item what is granted
-- and the state.
local w, sliding, replicas, grace = tonumber(ARGV[1]), ARGV[2] == '1', tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local limit, start, size, burst = {}, {}, {}, {}
for i = 1, w do
  local at = 4 + 6 * (i - 1)
  limit[i], size[i] = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  if size[i] > 0 then
    start[i], burst[i] = now - now % size[i], tonumber(ARGV[at + 3])
  else
    local b = at + 3
    while b < at + 5 and tonumber(ARGV[b + 1]) <= now do b = b + 1 end
    start[i] = tonumber(ARGV[b])
    size[i], burst[i] = tonumber(ARGV[b + 1]) - start[i], 0
  end
end
local numbers, texts, words = {}, {}, { '(%S+) (%S+) (%S+) (%S+)' }
for i = 1, w do
  numbers[i], texts[i], words[i + 1] = '%.0f %.0f %.0f %.0f', '(%S+) (%S+) (%S+) (%S+)', '(%S+)'
end
local number, text, word = table.concat(numbers, ' '), table.concat(texts, ' '), table.concat(words, ' ')
local out = { string.format('%.0f', now) }
local first = 4 + 6 * w
for item = 1, #KEYS do
  local need, want, spent, back, lease = tonumber(ARGV[first + item]), 0, 0, 0, {}
  if not need then
    lease = { string.match(ARGV[first + item], word) }
    need, want, spent, back = tonumber(lease[1]), tonumber(lease[2]), tonumber(lease[3]), tonumber(lease[4])
  end
  local raw = redis.pcall('GET', KEYS[item])
  local state = { string.match(type(raw) == 'string' and raw or '', text) }
  local room, ttl, set_back = math.huge, 1, false
  for i = 1, w do
    local s = 4 * i - 3
    local began, count = tonumber(state[s]) or 0, tonumber(state[s + 1]) or 0
    local previous, held = tonumber(state[s + 2]) or 0, tonumber(state[s + 3]) or 0
    if burst[i] > 0 then
      set_back = set_back or began > now
      count = math.max(0, count - math.max(0, now - began) * limit[i] * 1e6 / size[i])
      room = math.min(room, math.floor(burst[i] - count / 1e6))
      ttl = math.max(ttl, math.ceil(burst[i] * size[i] / limit[i]) + grace)
      began, count, previous, held = now, math.ceil(count), 0, 0
    -- A clock that was set back by less than a window changes nothing.
    elseif began ~= start[i] and not (began > start[i] and began - start[i] <= size[i]) then
      previous = began + size[i] == start[i] and count or 0
      began, count, held = start[i], 0, 0
    end
    if lease[1] then
      local since = tonumber(lease[4 + i])
      if since == began then
        count, held = math.max(0, count - back), math.max(0, held - spent - back)
      elseif since + size[i] == began then
        previous = math.max(0, previous - back)
      end
    end
    if burst[i] == 0 then
      local stop, weight = began + size[i], 0
      if sliding then weight = math.min(1, math.max(0, (stop - now) / size[i])) end
      room = math.min(room, math.floor(limit[i] - count - previous * weight))
      ttl = math.max(ttl, stop - now + (sliding and size[i] or 0) + grace)
    end
    state[s], state[s + 1], state[s + 2], state[s + 3] = began, count, previous, held
  end
  room = math.max(room, 0)
  -- What waits gets all there is; what is held beyond it is a fair share of the
  -- rest, so that the last permits are asked for one by one.
  local grant = math.min(room, need)
  if want > 0 then grant = grant + math.max(0, math.min(want, math.floor((room - grant) / replicas))) end
  for i = 1, w do
    local s = 4 * i - 3
    state[s + 1] = state[s + 1] + grant * (burst[i] > 0 and 1e6 or 1)
    state[s + 3] = state[s + 3] + math.max(0, grant - need)
  end
  local kept = string.format(number, unpack(state))
  if grant > 0 or spent > 0 or back > 0 or set_back then redis.call('SET', KEYS[item], kept, 'PX', ttl) end
  out[#out + 1] = string.format('%.0f', grant)
  out[#out + 1] = kept
end
return table.concat(out, ' ')
