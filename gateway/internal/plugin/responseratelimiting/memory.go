package responseratelimiting

import (
	"sync"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/limit"
)

// maxSeen bounds what is remembered: 64 Ki limits of clients.
const maxSeen = 1 << 16

// memory is what the counters last said of each client, which is all that can be
// known of them before the upstream has answered: asking them counts. It outlives
// configurations.
type memory struct {
	mu   sync.Mutex
	seen map[seenKey]usage
}

// seenKey is a limit of a client.
type seenKey struct{ rule, client string }

// usage is how much of each window is left, and when the windows end.
type usage struct {
	left [limit.MaxWindows]int64
	ends [limit.MaxWindows]int64 // Unix seconds
}

func newMemory() *memory { return &memory{seen: map[seenKey]usage{}} }

// keep remembers a decision of n windows.
func (m *memory) keep(key seenKey, d *limit.Decision, n int, now time.Time) (u usage) {
	for i := range n {
		u.left[i], u.ends[i] = d.Remaining(i), now.Unix()+d.Reset(i)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.seen[key]; !ok && len(m.seen) >= maxSeen {
		for other := range m.seen { // any one: it is learnt again
			delete(m.seen, other)
			break
		}
	}
	m.seen[key] = u
	return u
}

// find returns what is left of the windows now.
func (m *memory) find(key seenKey, windows []limit.Window, now time.Time) usage {
	m.mu.Lock()
	u, ok := m.seen[key]
	m.mu.Unlock()
	for i := range windows {
		if !ok || now.Unix() >= u.ends[i] {
			u.left[i] = windows[i].Limit
		}
	}
	return u
}
