package runner

import (
	"context"
	"maps"
	"sync"
	"time"

	"gatelab/harness/internal/lab"
)

// sampleEvery is how often nodes are looked at during an attack. A look costs
// each gateway one scrape and the engine one statistics call a node.
const sampleEvery = 2 * time.Second

// reading is what was known of every node at one moment.
type reading struct {
	at       time.Time
	usage    map[string]lab.Usage // by node
	gateways map[string]metrics   // by node; a dead replica is missing
	cpu      cpuTimes             // of the whole machine
	pressure pressure             // likewise
}

// read looks at every node of the lab. Nodes that do not answer are left out:
// a killed replica has no reading.
func read(ctx context.Context, l *lab.Lab) reading {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r := reading{at: time.Now(), cpu: readCPU(), pressure: readPressure(), usage: map[string]lab.Usage{}, gateways: map[string]metrics{}}
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

// sample starts with a reading taken before it returns.
func sample(ctx context.Context, l *lab.Lab) *sampler {
	ctx, cancel := context.WithCancel(ctx)
	s := &sampler{cancel: cancel, done: make(chan struct{}), taken: []reading{read(ctx, l)}}
	go func() {
		defer close(s.done)
		tick := time.NewTicker(sampleEvery)
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

// spent is the CPU that each node used between the first and the last reading,
// in seconds. A node that was restarted in between starts again at zero, so the
// growth is added up step by step.
func spent(readings []reading) map[string]lab.Usage {
	total := map[string]lab.Usage{}
	before := map[string]lab.Usage{}
	for i, r := range readings {
		for name, u := range r.usage {
			t := total[name]
			prev, known := before[name]
			if i > 0 {
				if !known || u.CPUSeconds < prev.CPUSeconds {
					prev = lab.Usage{}
				}
				more := u.CPUSeconds - prev.CPUSeconds
				if known && more > 1.5*float64(hostCores())*r.at.Sub(readings[i-1].at).Seconds() {
					// A process that just died lends its place in /proc to its
					// parent's: nobody uses more than the whole machine.
					u.CPUSeconds, more = prev.CPUSeconds, 0
					r.usage[name] = u
				}
				t.CPUSeconds += more
				t.ThrottledSeconds += max(0, u.ThrottledSeconds-prev.ThrottledSeconds)
			}
			t.MemoryPeakBytes = max(t.MemoryPeakBytes, u.MemoryBytes)
			total[name] = t
		}
		maps.Copy(before, r.usage)
	}
	return total
}

// grown is how much a counter grew over the readings, over all gateways. ok is
// false when no gateway has it.
func grown(readings []reading, name string, pairs ...string) (sum float64, ok bool) {
	before := map[string]float64{}
	for i, r := range readings {
		for node, m := range r.gateways {
			v, has := m.value(name, pairs...)
			if !has {
				continue
			}
			ok = true
			prev := before[node]
			if v < prev {
				prev = 0 // the replica was restarted
			}
			if i > 0 {
				sum += v - prev
			}
			before[node] = v
		}
	}
	return sum, ok
}

// highest is the largest value of a gauge in any reading of any one gateway.
func highest(readings []reading, name string, pairs ...string) (most float64, ok bool) {
	for _, r := range readings {
		for _, m := range r.gateways {
			if v, has := m.value(name, pairs...); has {
				most, ok = max(most, v), true
			}
		}
	}
	return most, ok
}

// histogramGrowth is how much each bucket of a histogram grew, over all
// gateways, by upper bound (cumulative, as Prometheus has it).
func histogramGrowth(readings []reading, name string, pairs ...string) map[float64]float64 {
	if len(readings) < 2 {
		return nil
	}
	first, last := map[float64]float64{}, map[float64]float64{}
	for _, m := range readings[0].gateways {
		m.buckets(name, first, pairs...)
	}
	for _, m := range readings[len(readings)-1].gateways {
		m.buckets(name, last, pairs...)
	}
	for b := range last {
		last[b] = max(0, last[b]-first[b])
	}
	return last
}
