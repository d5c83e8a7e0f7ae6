package limit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/redis/go-redis/v9"
)

// Redis is a connection to one Redis server, as *redisconn.Client is. Its
// values must be comparable: rules with the same one share round trips.
type Redis interface {
	// Do calls fn with a client, or returns an error at once when the server
	// is known to be away.
	Do(ctx context.Context, fn func(ctx context.Context, rdb redis.Cmdable) error) error
}

// Policy says how a rule counts.
type Policy struct {
	Namespace string   // keeps the rule's counters apart from others'; the same on every replica
	Windows   []Window // all must have room; 1 to MaxWindows
	Sliding   bool     // current + previous x (window-elapsed)/window; only for windows without Months

	Redis Redis         // nil: this process counts for itself
	Sync  time.Duration // 0: Redis is asked on every request. More: counts are exchanged that often, in the background. Unused without Redis
	Lease bool          // with Sync 0: permits are taken from Redis ahead of requests, and given back where they are not used
	Share bool          // with Sync 0: TakeShare is used while Redis is away
}

// Rule decides over the requests of one policy, each by its key.
type Rule struct {
	l         *Limiter
	id        uint64 // of namespace, windows and how they are counted: the same policy finds its counters again after a reload
	namespace string // as it is in Redis, see inRedis
	windows   []Window
	sliding   bool
	batch     *batcher   // nil unless every permit is Redis'
	leases    leaseTimes // zero: Redis is asked on every request
	share     bool
	shape     string  // of the windows, as part of a key in Redis
	sync      *syncer // nil unless counts are exchanged periodically
}

// Rule makes a rule. Equal policies, also in later configurations, share
// their counters. The error says what of the policy cannot be.
func (l *Limiter) Rule(p Policy) (*Rule, error) {
	if len(p.Windows) == 0 || len(p.Windows) > MaxWindows {
		return nil, fmt.Errorf("%d windows: want 1 to %d", len(p.Windows), MaxWindows)
	}
	for _, w := range p.Windows {
		switch {
		case w.Limit < 1:
			return nil, fmt.Errorf("limit %d: want at least 1", w.Limit)
		case w.Months == 0 && (w.Size < time.Second || w.Size%time.Second != 0):
			return nil, fmt.Errorf("window of %s: want whole seconds", w.Size)
		case w.Months != 0 && w.Months != 1 && w.Months != 12:
			return nil, fmt.Errorf("window of %d months: want 1 or 12", w.Months)
		case w.Months != 0 && p.Sliding:
			return nil, errors.New("months do not slide")
		case w.Burst < 0 || w.Burst > MaxBurst || w.Burst > 0 && w.Limit > MaxBurst:
			return nil, fmt.Errorf("bucket of %d filled by %d: want 1 to %d of each", w.Burst, w.Limit, MaxBurst)
		case w.Burst > 0 && (w.Months != 0 || p.Sliding || p.Redis != nil && (p.Lease || p.Share || p.Sync > 0)):
			return nil, errors.New("token buckets have no months, do not slide, and are neither leased, shared nor exchanged")
		}
	}
	r := &Rule{l: l, namespace: inRedis.Replace(p.Namespace), windows: slices.Clone(p.Windows), sliding: p.Sliding}
	var err error
	switch {
	case p.Redis == nil:
	case p.Sync > 0:
		r.sync, err = l.syncer(p.Redis, p.Sync)
	default:
		err = r.useBatcher(p)
	}
	// %p: entries know one batcher or syncer alone, and through their rule keep
	// its address from being used again.
	r.id = xxhash.Sum64String(fmt.Sprintf("%q %v %t %t %t %p %p", p.Namespace, p.Windows, p.Sliding, p.Lease, p.Share, r.batch, r.sync))
	return r, err
}

// useBatcher has all permits of the rule come from Redis.
func (r *Rule) useBatcher(p Policy) (err error) {
	if r.batch, err = r.l.batcher(p.Redis); err != nil {
		return err
	}
	var shape []byte
	for i := range r.windows {
		shape = r.windows[i].appendName(append(shape, ','))
	}
	if r.sliding {
		shape = append(shape, '~')
	}
	r.shape = string(shape[1:])
	r.share = p.Share
	if p.Lease {
		r.leases = r.leaseTimes()
	}
	if p.Lease || p.Share {
		r.batch.leasing.Store(true)
		r.batch.rouse()
	}
	return nil
}

// Decision is the answer to one request.
type Decision struct {
	Allowed bool
	at      int64 // when it was made, Unix milliseconds
	free    int64 // when the next request may pass
	left    [MaxWindows]int64
	ends    [MaxWindows]int64
}

// Remaining is how many more requests window i has room for.
func (d *Decision) Remaining(i int) int64 { return d.left[i] }

// Reset is the number of seconds until window i ends (a bucket is full), or, while
// it has no room, until it has room for a request. It is at least 1.
func (d *Decision) Reset(i int) int64 { return seconds(d.ends[i] - d.at) }

// RetryAfter is the number of seconds until a request may pass again, at
// least 1.
func (d *Decision) RetryAfter() int64 { return seconds(d.free - d.at) }

// seconds rounds milliseconds up.
func seconds(ms int64) int64 { return max(1, (ms+999)/1000) }

// Take asks for one request of key to pass and counts it if it may. key is
// copied where it is kept. An error means that Redis could not be asked: the
// caller chooses whether to let the request pass. In the other modes there is
// no error.
func (r *Rule) Take(key string) (Decision, error) {
	if b := r.batch; b != nil {
		if r.share && b.keepsApart() {
			return b.takeApart(r, key)
		}
		return b.decide(r, key)
	}
	now := time.Now().UnixMilli()
	e := r.l.lock(r, key, now)
	e.roll(now)
	d := e.take(now)
	e.mu.Unlock()
	if r.sync != nil && d.Allowed {
		r.sync.mark(e)
	}
	return d, nil
}

// inRedis takes the separator out of a namespace. A key may have any bytes, and
// often they are the client's: where a namespace may end must not depend on it.
var inRedis = strings.NewReplacer("%", "%25", ":", "%3A")

// redisKey names the counter of a window that began at start.
func (r *Rule) redisKey(key string, w *Window, start int64) string {
	b := w.appendName([]byte(r.redisPrefix(key)))
	return string(appendInt(append(b, ':'), start/1000))
}

// redisPrefix is what all names of a key begin with.
func (r *Rule) redisPrefix(key string) string {
	var b strings.Builder
	b.Grow(len(r.namespace) + len(key) + 40)
	b.WriteString("gatelab:limit:")
	b.WriteString(r.namespace)
	b.WriteByte(':')
	b.WriteString(key)
	b.WriteByte(':')
	return b.String()
}
