// Package readings knows what every node of a lab and the machine under it consumed and counted while an attack ran: it samples the
// nodes, keeps what they said, and tells what grew between two readings.
package readings

import (
	"context"
	"sync"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// longLoad is the duration from which on nodes are read less often: all readings are kept until the attack's end, and a few hundred are
// enough.
const longLoad = 10 * time.Minute

// sampleEvery is the interval between readings during an attack. A reading costs
// one scrape per gateway, one request per origin (which it does not count), and
// one statistics call per node.
const sampleEvery = 2 * time.Second

// Reading is the state of the machine and of every node at one moment.
type Reading struct {
	At       time.Time
	Usage    map[string]lab.Usage    // by node
	Gateways map[string]Metrics      // by node; a dead replica is missing
	Origins  map[string]*OriginStats // by node; nil: it did not answer
	Machine
}

// Read asks every node of the lab, for at most five seconds. Nodes that do not
// answer are left out: a killed replica has no reading.
func Read(ctx context.Context, l *lab.Lab) Reading {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r := Reading{
		At: time.Now(), Machine: ReadMachine(),
		Usage: map[string]lab.Usage{}, Gateways: map[string]Metrics{}, Origins: map[string]*OriginStats{},
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, n := range l.Nodes("") {
		wg.Go(func() {
			u, err := n.Usage(ctx)
			if err != nil {
				return
			}
			mu.Lock()
			r.Usage[n.Name()] = u
			mu.Unlock()
		})
		if n.Role() == topology.RoleOrigin {
			wg.Go(func() {
				o := readOrigin(ctx, n)
				mu.Lock()
				r.Origins[n.Name()] = o
				mu.Unlock()
			})
		}
		if n.Role() != topology.RoleGateway {
			continue
		}
		wg.Go(func() {
			m, err := Scrape(ctx, n.HostAddr(topology.PortStatus))
			if err != nil {
				return
			}
			mu.Lock()
			r.Gateways[n.Name()] = m
			mu.Unlock()
		})
	}
	wg.Wait()
	return r
}

// Sampler takes readings while an attack runs.
type Sampler struct {
	cancel context.CancelFunc
	done   chan struct{}
	taken  []Reading
}

// Sample takes a first reading before it returns, and continues until Stop. lasts
// is about how long that will be.
func Sample(ctx context.Context, l *lab.Lab, lasts time.Duration) *Sampler {
	ctx, cancel := context.WithCancel(ctx)
	s := &Sampler{cancel: cancel, done: make(chan struct{}), taken: []Reading{Read(ctx, l)}}
	go func() {
		defer close(s.done)
		tick := time.NewTicker(max(sampleEvery, time.Duration(float64(sampleEvery)*lasts.Seconds()/longLoad.Seconds())))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				s.taken = append(s.taken, Read(ctx, l))
			}
		}
	}()
	return s
}

// Stop takes a last reading and returns all of them.
func (s *Sampler) Stop(ctx context.Context, l *lab.Lab) []Reading {
	s.cancel()
	<-s.done
	return append(s.taken, Read(ctx, l))
}
