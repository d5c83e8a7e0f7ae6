package lab

import "sync"

// Meter adds up what is read of a node over restarts: each start
// gives the node a new control group, whose counters begin at zero.
type Meter struct {
	mu   sync.Mutex
	past Usage // of earlier lives
	last Usage // of this life, as last seen
}

// Add takes one reading of the present life and returns the node's total.
func (m *Meter) Add(now Usage) Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.CPUSeconds < m.last.CPUSeconds {
		m.past.CPUSeconds += m.last.CPUSeconds
		m.past.ThrottledSeconds += m.last.ThrottledSeconds
	}
	m.past.MemoryPeakBytes = max(m.past.MemoryPeakBytes, now.MemoryPeakBytes, now.MemoryBytes)
	m.last = now
	return m.totalLocked()
}

// Total is what was last seen, for a node that does not run.
func (m *Meter) Total() Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.totalLocked()
	t.MemoryBytes = 0
	return t
}

func (m *Meter) totalLocked() Usage {
	return Usage{
		CPUSeconds:       m.past.CPUSeconds + m.last.CPUSeconds,
		ThrottledSeconds: m.past.ThrottledSeconds + m.last.ThrottledSeconds,
		MemoryBytes:      m.last.MemoryBytes,
		MemoryPeakBytes:  m.past.MemoryPeakBytes,
	}
}
