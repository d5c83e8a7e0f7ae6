// Package scale measures what the servers carry that all replicas of a gateway share: Redis, with the commands that gateways really send
// it, and Postgres, whose notifications tell every replica of a change.
package scale

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/readings"
)

// meter reads what a node, this process and the machine use between two moments.
type meter struct {
	node    lab.Node
	began   time.Time
	used    lab.Usage
	own     time.Duration
	machine readings.Machine
}

// spent is what was used since a meter began.
type spent struct {
	wall, node, own time.Duration
	memory          uint64   // bytes that the node uses now
	busy            *float64 // share of the machine's cores; nil if unknown
}

var errNoCPU = errors.New("the runtime does not tell the CPU time of the node")

func begin(ctx context.Context, n lab.Node) (*meter, error) {
	used, err := n.Usage(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the use of %s: %w", n.Name(), err)
	}
	return &meter{node: n, began: time.Now(), used: used, own: ownCPU(), machine: readings.ReadMachine()}, nil
}

func (m *meter) end(ctx context.Context) (spent, error) {
	out := spent{wall: time.Since(m.began), own: ownCPU() - m.own, busy: m.machine.Busy(readings.ReadMachine())}
	used, err := m.node.Usage(ctx)
	if err != nil {
		return out, fmt.Errorf("read the use of %s: %w", m.node.Name(), err)
	}
	// The time of processes that have ended is told in hundredths of a second, so that little use may seem to be less than none.
	out.node = max(0, time.Duration((used.CPUSeconds-m.used.CPUSeconds)*float64(time.Second)))
	out.memory = used.MemoryBytes
	if used.CPUSeconds == 0 {
		return out, fmt.Errorf("%s: %w", m.node.Name(), errNoCPU)
	}
	return out, nil
}

// ownCPU is the CPU time of this process.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func inMS(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
