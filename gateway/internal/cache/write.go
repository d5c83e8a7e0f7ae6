package cache

import (
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// writers is how many goroutines carry entries to Redis: two, so that one slow
// server does not hold up another.
const writers = 2

type writeJob struct {
	space  *Space
	of     Key // the resource's
	key    Key
	entry  *Entry
	epoch  epoch
	purged purgeMark
	gone   uint64
}

// setUnlessPurged stores an entry unless a purge or an invalidation came since its
// origin was asked. That is for Redis to say: a replica whose subscription is down
// has not heard of it, and would undo it. Where the number is gone Redis has lost its
// data, which is no purge. What lies in the place of an invalidated resource begins
// with version, kind, flags and status, a byte each, and its nonce.
var setUnlessPurged = redis.NewScript(`
if ARGV[3] ~= '?' then
	local number = redis.call('GET', KEYS[2])
	if number and number ~= ARGV[3] then return 0 end
end
local had = redis.call('GETRANGE', KEYS[1], 0, 11)
if #had == 12 and string.byte(had, 2) == tonumber(ARGV[5]) and string.sub(had, 5) ~= ARGV[4] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`)

// writeQueue is bounded by count and by bytes; what does not fit is dropped.
type writeQueue struct {
	jobs    chan writeJob
	most    int64
	waiting atomic.Int64 // bytes

	mu     sync.RWMutex // held to send: a closed channel must not be sent to
	closed bool
	idle   sync.WaitGroup // writers
}

func newWriteQueue(jobs int, bytes int64) *writeQueue {
	q := &writeQueue{jobs: make(chan writeJob, jobs), most: bytes}
	q.idle.Add(writers)
	return q
}

func (q *writeQueue) offer(j writeJob) bool {
	q.mu.RLock()
	defer q.mu.RUnlock()
	n := int64(j.entry.weight())
	if q.closed || q.waiting.Add(n) > q.most {
		q.waiting.Add(-n)
		return false
	}
	select {
	case q.jobs <- j:
		return true
	default:
		q.waiting.Add(-n)
		return false
	}
}

func (q *writeQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	close(q.jobs)
}

// drained waits for the writers to end.
func (q *writeQueue) drained() { q.idle.Wait() }

// enqueue hands e to the writers, who encode it too: a request pays for
// neither.
func (f *Fill) enqueue(k Key, e *Entry) {
	sp := f.space
	if sp.client == nil {
		return
	}
	if !sp.store.writes.offer(writeJob{space: sp, of: f.key, key: k, entry: e, epoch: f.epoch, purged: f.purged, gone: f.gone}) {
		sp.store.metrics.dropQueue.Inc()
	}
}

// write is a writer's life: until the queue is closed and empty, or the store
// gives up.
func (s *Store) write() {
	defer s.writes.idle.Done()
	var buf []byte
	for j := range s.writes.jobs {
		s.writes.waiting.Add(-int64(j.entry.weight()))
		if s.epochOf(j.of) != j.epoch {
			s.metrics.dropPurged.Inc()
			continue
		}
		ttl := time.Until(j.entry.KeepUntil)
		if ttl < time.Millisecond {
			continue
		}
		buf = encode(buf[:0], j.entry)
		switch stored, err := j.store(s.ctx, buf, ttl); {
		case err != nil:
			s.metrics.dropRedis.Inc()
		case !stored:
			s.metrics.dropPurged.Inc()
		}
		if cap(buf) > 1<<20 {
			buf = nil // one large entry must not be paid for ever after
		}
	}
}

// store reports false where a purge has come since.
func (j *writeJob) store(ctx context.Context, raw []byte, ttl time.Duration) (stored bool, err error) {
	sp := j.space
	err = sp.client.Do(ctx, func(ctx context.Context, rdb redis.Cmdable) (err error) {
		number := j.purged.number
		if !j.purged.known { // the subscription has yet to stand for the first time
			number = "?"
		}
		keys := []string{sp.redisKey(j.key), sp.store.cfg.Prefix + purgeNumber}
		gone := binary.BigEndian.AppendUint64(nil, j.gone)
		stored, err = setUnlessPurged.Run(ctx, rdb, keys, raw, ttl.Milliseconds(), number, gone, int(Gone)).Bool()
		return err
	})
	return stored, err
}
