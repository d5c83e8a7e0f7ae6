package cache

import (
	"context"
	"strings"
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
	uri    Key
	key    Key
	entry  *Entry // nil: only the lease is given back
	note   *Entry // the resource's VaryNote where that is to be stored too
	epoch  epoch
	purged purgeMark

	hold *hold // the lease that ends with it, nil for none
	mark string
	long time.Duration // that mark stays
}

// weight is about how many bytes wait in the job.
func (j *writeJob) weight() (n int64) {
	if j.entry == nil {
		return entryOverhead
	}
	for _, e := range [...]*Entry{j.entry, j.note} {
		if e != nil {
			n += int64(e.weight())
		}
	}
	return n
}

// setUnlessPurged stores an entry unless a purge or an invalidation came since its
// origin was asked. That is for Redis to say: a replica whose subscription is down
// has not heard of it, and would undo it. Where the number is gone Redis has lost its
// data, which is no purge. The URI's generation lives as long as what is stored of it. The
// lease ends with it: who waits finds the entry, or may fetch it. Where Redis has no memory left nothing
// is stored.
var setUnlessPurged = redis.NewScript(`
local stored = 1
if ARGV[3] ~= '?' then
	local number = redis.call('GET', KEYS[2])
	if number and number ~= ARGV[3] then stored = 0 end
end
local function set(key, value, long)
	if stored ~= 1 then return end
	local done = redis.pcall('SET', key, value, 'PX', long)
	if done.err then stored = done end
end
local generation = redis.call('GET', KEYS[5])
if generation and generation ~= ARGV[4] then stored = 0 end
if not generation then
	set(KEYS[5], ARGV[4], ARGV[2])
elseif stored == 1 and redis.call('PTTL', KEYS[5]) < tonumber(ARGV[2]) then
	redis.call('PEXPIRE', KEYS[5], ARGV[2])
end
if ARGV[6] ~= '' then set(KEYS[3], ARGV[6], ARGV[7]) end
set(KEYS[1], ARGV[1], ARGV[2])
if ARGV[5] ~= '' and redis.call('GET', KEYS[4]) == ARGV[5] then redis.call('DEL', KEYS[4]) end
return stored
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
	n := j.weight()
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
func (f *Fill) enqueue(e *Entry) {
	sp := f.space
	if sp.client == nil {
		return
	}
	j := writeJob{
		space: sp, of: f.key, uri: f.uri, key: f.target, entry: e, note: f.fresh, epoch: f.epoch, purged: f.purged, hold: f.hold,
	}
	if f.hold != nil {
		sp.store.leases.drop(f.hold)
		f.hold = nil
	}
	if !sp.store.writes.offer(j) {
		sp.store.metrics.dropQueue.Inc()
	}
}

// write is a writer's life: until the queue is closed and empty, or the store
// gives up.
func (s *Store) write() {
	defer s.writes.idle.Done()
	var buf []byte
	for j := range s.writes.jobs {
		s.writes.waiting.Add(-j.weight())
		if j.entry != nil && s.epochOf(j.uri) != j.epoch {
			s.metrics.dropPurged.Inc()
			j.entry = nil
		}
		if j.entry == nil || time.Until(j.entry.KeepUntil) < time.Millisecond {
			if j.hold != nil {
				j.hold.release(s.ctx, j.mark, j.long)
			}
			continue
		}
		buf = encode(buf[:0], j.entry)
		switch stored, err := j.store(s.ctx, buf); {
		case err != nil && strings.HasPrefix(err.Error(), "OOM"):
			s.metrics.dropMemory.Inc()
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
func (j *writeJob) store(ctx context.Context, raw []byte) (stored bool, err error) {
	sp := j.space
	err = sp.client.Do(ctx, func(ctx context.Context, rdb redis.Cmdable) (err error) {
		number := j.purged.number
		if !j.purged.known { // the subscription has yet to stand for the first time
			number = "?"
		}
		token, lease := "", j.key
		if j.hold != nil {
			token, lease = j.hold.token, j.hold.key
		}
		var note []byte
		noteFor := time.Duration(0)
		if j.note != nil {
			note, noteFor = encode(nil, j.note), max(time.Until(j.note.KeepUntil), time.Millisecond)
		}
		keys := []string{sp.redisKey(j.key), sp.store.cfg.Prefix + purgeNumber, sp.redisKey(j.of), sp.leaseKey(lease),
			sp.generationKey(j.uri)}
		ttl := max(time.Until(j.entry.KeepUntil), time.Millisecond)
		stored, err = setUnlessPurged.Run(ctx, rdb, keys,
			raw, ttl.Milliseconds(), number, j.entry.Generation, token, note, noteFor.Milliseconds()).Bool()
		return err
	})
	return stored, err
}
