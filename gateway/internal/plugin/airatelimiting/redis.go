package airatelimiting

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/redisconn"
)

// The counters of a key are one hash: s0, s1, ... are when the windows began, u0, u1, ... their tokens. Redis' clock decides windows, so
// that replicas whose clocks differ count in the same ones. A replica that ends in the middle of a request leaves its reservation in
// place: then too much is counted, never too little.

// reserveScript takes ARGV[1] tokens. The others are pairs of a limit and a size in ms, by window.
var reserveScript = redis.NewScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local tokens = tonumber(ARGV[1])
local n = (#ARGV - 1) / 2
local allowed, ends, out, set = 1, 0, {}, {}
for i = 1, n do
  local limit, size = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local start = now - now % size
  local held = redis.call('HMGET', KEYS[1], 's' .. i, 'u' .. i)
  local used = 0
  if tonumber(held[1]) == start then used = tonumber(held[2]) end
  local take = math.min(tokens, limit)
  if used + take > limit then allowed = 0 end
  ends = math.max(ends, start + size)
  out[#out + 1] = start
  out[#out + 1] = used
  out[#out + 1] = take
  set[#set + 1] = 's' .. i
  set[#set + 1] = string.format('%.0f', start)
  set[#set + 1] = 'u' .. i
  set[#set + 1] = string.format('%.0f', used + take)
end
if allowed == 1 then
  redis.call('HSET', KEYS[1], unpack(set))
  redis.call('PEXPIRE', KEYS[1], ends - now + 1000)
  for i = 1, n do out[3 * i - 1] = out[3 * i - 1] + out[3 * i] end
end
table.insert(out, 1, now)
table.insert(out, 1, allowed)
return out
`)

// adjustScript adds to the tokens of windows that still last: ARGV are pairs of when a window began and how much to add.
var adjustScript = redis.NewScript(`
for i = 1, #ARGV / 2 do
  if redis.call('HGET', KEYS[1], 's' .. i) == ARGV[2 * i - 1] then
    if redis.call('HINCRBY', KEYS[1], 'u' .. i, ARGV[2 * i]) < 0 then redis.call('HSET', KEYS[1], 'u' .. i, '0') end
  end
end
return 0
`)

// shared counts in Redis.
type shared struct{ client *redisconn.Client }

// AddResources names the Redis, which would be given up soon after the configuration that it is in otherwise.
func (p *limiting) AddResources(r *plugin.Resources) {
	if s, ok := p.counts.(*shared); ok {
		r.Clients = append(r.Clients, s.client)
	}
}

const redisPrefix = "gatelab:ai:"

var errReply = errors.New("redis gave an unexpected reply")

func (s *shared) reserve(ctx context.Context, key string, windows []window, n int64) (d decision, err error) {
	args := make([]any, 0, 2*len(windows)+1)
	args = append(args, n)
	for _, w := range windows {
		args = append(args, w.limit, w.size)
	}
	err = s.client.Do(ctx, func(ctx context.Context, rdb redis.Cmdable) error {
		reply, err := reserveScript.Run(ctx, rdb, []string{redisPrefix + key}, args...).Int64Slice()
		if err != nil {
			return err
		}
		if len(reply) != 2+3*len(windows) {
			return fmt.Errorf("%w: %d numbers for %d windows", errReply, len(reply), len(windows))
		}
		d = decision{allowed: reply[0] == 1, now: reply[1]}
		for w := range windows {
			of := reply[2+3*w:]
			d.starts = append(d.starts, of[0])
			d.used = append(d.used, of[1])
			d.took = append(d.took, of[2])
		}
		return nil
	})
	return d, err
}

func (s *shared) adjust(ctx context.Context, key string, windows []window, d *decision, by []int64) error {
	args := make([]any, 0, 2*len(windows))
	for i := range windows {
		args = append(args, d.starts[i], by[i])
	}
	return s.client.Do(ctx, func(ctx context.Context, rdb redis.Cmdable) error {
		return adjustScript.Run(ctx, rdb, []string{redisPrefix + key}, args...).Err()
	})
}

var (
	_ counters = (*memory)(nil)
	_ counters = (*shared)(nil)

	_ plugin.ResourceUser = (*limiting)(nil)
)
