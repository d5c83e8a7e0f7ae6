package runner

import (
	"context"
	"sync"
	"time"

	"gatelab/harness/internal/lab"
)

// longLoad is from when on nodes are looked at less often: all readings are kept
// until the attack's end, and a few hundred show what there is to see.
const longLoad = 10 * time.Minute

// sampleEvery is how often nodes are looked at during an attack. A look costs
// each gateway one scrape, each origin one request that it does not count, and the
// engine one statistics call a node.
const sampleEvery = 2 * time.Second

// reading is what was known of every node at one moment.
type reading struct {
	at       time.Time
	usage    map[string]lab.Usage    // by node
	gateways map[string]metrics      // by node; a dead replica is missing
	origins  map[string]*originStats // by node; nil: it did not answer
	cpu      cpuTimes                // of the whole machine
	pressure pressure                // likewise
}

// read looks at every node of the lab. Nodes that do not answer are left out:
// a killed replica has no reading.
func read(ctx context.Context, l *lab.Lab) reading {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r := reading{at: time.Now(), cpu: readCPU(), pressure: readPressure(), usage: map[string]lab.Usage{}, gateways: map[string]metrics{}, origins: map[string]*originStats{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, n := range l.Nodes("") {
		wg.Go(func() {
			u, err := n.Usage(ctx)
			if err != nil {
				return
			}
			mu.Lock()
			r.usage[n.Name()] = u
			mu.Unlock()
		})
		if n.Role() == lab.RoleOrigin {
			wg.Go(func() {
				o := readOrigin(ctx, n)
				mu.Lock()
				r.origins[n.Name()] = o
				mu.Unlock()
			})
		}
		if n.Role() != lab.RoleGateway {
			continue
		}
		wg.Go(func() {
			m, err := scrape(ctx, n.HostAddr(lab.PortStatus))
			if err != nil {
				return
			}
			mu.Lock()
			r.gateways[n.Name()] = m
			mu.Unlock()
		})
	}
	wg.Wait()
	return r
}

// sampler keeps looking while an attack runs.
type sampler struct {
	cancel context.CancelFunc
	done   chan struct{}
	taken  []reading
}

// sample starts with a reading taken before it returns. lasts is about how long
// the looking will go on.
func sample(ctx context.Context, l *lab.Lab, lasts time.Duration) *sampler {
	ctx, cancel := context.WithCancel(ctx)
	s := &sampler{cancel: cancel, done: make(chan struct{}), taken: []reading{read(ctx, l)}}
	go func() {
		defer close(s.done)
		tick := time.NewTicker(max(sampleEvery, time.Duration(float64(sampleEvery)*lasts.Seconds()/longLoad.Seconds())))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				s.taken = append(s.taken, read(ctx, l))
			}
		}
	}()
	return s
}

// stop ends the looking, takes a last reading and returns all of them.
func (s *sampler) stop(ctx context.Context, l *lab.Lab) []reading {
	s.cancel()
	<-s.done
	return append(s.taken, read(ctx, l))
}
