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
}

// Rule decides over the requests of one policy, each by its key.
type Rule struct {
	l         *Limiter
	id        uint64 // of namespace, windows and how they are counted: the same policy finds its counters again after a reload
	namespace string // as it is in Redis, see inRedis
	windows   []Window
	sliding   bool
	batch     *batcher // nil unless Redis is asked on every request
	sync      *syncer  // nil unless counts are exchanged periodically
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
		}
	}
	r := &Rule{l: l, namespace: inRedis.Replace(p.Namespace), windows: slices.Clone(p.Windows), sliding: p.Sliding}
	var err error
	switch {
	case p.Redis == nil:
	case p.Sync > 0:
		r.sync, err = l.syncer(p.Redis, p.Sync)
	default:
		r.batch, err = l.batcher(p.Redis)
	}
	// %p: entries know one batcher or syncer alone, and through their rule keep
	// its address from being used again.
	r.id = xxhash.Sum64String(fmt.Sprintf("%q %v %t %p %p", p.Namespace, p.Windows, p.Sliding, r.batch, r.sync))
	return r, err
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

// Reset is the number of seconds until window i ends, at least 1.
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
	now := time.Now().UnixMilli()
	for {
		e := r.l.entry(r, key, now)
		e.mu.Lock()
		if e.dead { // dropped between the look-up and the lock
			e.mu.Unlock()
			continue
		}
		e.roll(now)
		if r.batch != nil {
			e.touch(now + redisIdle)
			if e.until > now {
				d := e.decision(false, now)
				e.mu.Unlock()
				return d, nil
			}
			e.mu.Unlock()
			return r.batch.take(e)
		}
		d := e.take(now)
		e.mu.Unlock()
		if r.sync != nil && d.Allowed {
			r.sync.mark(e)
		}
		return d, nil
	}
}

// inRedis takes the separator out of a namespace. A key may have any bytes, and
// often they are the client's: where a namespace may end must not depend on it.
var inRedis = strings.NewReplacer("%", "%25", ":", "%3A")

// redisKey names the counter of a window that began at start.
func (r *Rule) redisKey(key string, w *Window, start int64) string {
	size := int64(w.Size / time.Second)
	unit := byte('s')
	if w.Months > 0 {
		size, unit = int64(w.Months), 'm'
	}
	var b strings.Builder
	b.Grow(len(r.namespace) + len(key) + 40)
	b.WriteString("gatelab:limit:")
	b.WriteString(r.namespace)
	b.WriteByte(':')
	b.WriteString(key)
	b.WriteByte(':')
	var num [20]byte
	b.Write(appendInt(num[:0], size))
	b.WriteByte(unit)
	b.WriteByte(':')
	b.Write(appendInt(num[:0], start/1000))
	return b.String()
}
