package experiment

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/jsonhttp"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/sut"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// Of one write and of following it.
const (
	writeWithin  = 3 * time.Second
	askEvery     = time.Second
	followWithin = 30 * time.Second
	// Between two looks at a replica: what is waited for must not be slowed down.
	firstLook = 10 * time.Millisecond
	longLook  = 160 * time.Millisecond
)

// write is one entity that was sent to an Admin API.
type write struct {
	path  string // of the entity
	body  map[string]any
	node  string // that it was sent to
	at    time.Time
	acked bool
	known bool // refused is known too; without an answer nothing is
	lost  bool
	half  bool
}

// writer writes configuration while things break: every entity is another one,
// told by a counter, so that each can be asked for afterwards.
type writer struct {
	lab *lab.Lab
	// regions are looked at one by one; none: all replicas are one place.
	regions []*region
	rate    float64
	client  *http.Client
	work    sync.WaitGroup

	mu      sync.Mutex
	sent    []*write
	visible []time.Duration // of followed writes
}

func newWriter(l *lab.Lab, rate float64, regions []*region) *writer {
	transport := &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second}
	return &writer{lab: l, rate: rate, regions: regions, client: &http.Client{Timeout: writeWithin, Transport: transport}}
}

// write writes for a time. It returns when all writes are over.
func (w *writer) write(ctx context.Context, length time.Duration) {
	defer w.client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	defer w.work.Wait()
	tick := time.NewTicker(time.Duration(float64(time.Second) / w.rate))
	defer tick.Stop()
	var followed time.Time
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		gateways := w.lab.Nodes(topology.RoleGateway)
		if len(gateways) == 0 {
			continue // one is being made anew, and there is no other
		}
		to := gateways[i%len(gateways)]
		follow := time.Since(followed) >= askEvery && w.tells(to.Name())
		if follow {
			followed = time.Now()
		}
		// A write that is slow must not keep the others waiting.
		w.work.Go(func() {
			w.one(context.WithoutCancel(ctx), i, to, follow)
		})
	}
}

// entityOf is the i-th entity: services and consumers in turn.
func entityOf(i int) (path string, body map[string]any) {
	name := fmt.Sprintf("gatelab-write-%06d", i)
	if i%2 == 0 {
		return "/services/" + name, map[string]any{
			"name": name, "host": name + ".invalid", "port": float64(1024 + i%60000), "path": "/" + name, "tags": []any{name, "gatelab"},
		}
	}
	return "/consumers/" + name, map[string]any{"username": name, "custom_id": "id-" + name, "tags": []any{name, "gatelab"}}
}

func (w *writer) one(ctx context.Context, i int, to lab.Node, follow bool) {
	admin, one := sut.Admin(to), &write{node: to.Name(), at: time.Now()}
	one.path, one.body = entityOf(i)
	w.mu.Lock()
	w.sent = append(w.sent, one)
	w.mu.Unlock()
	err := jsonhttp.Do(ctx, w.client, http.MethodPut, admin+one.path, one.body, nil)
	acked := err == nil
	status := jsonhttp.StatusOf(err)
	w.mu.Lock()
	one.acked = acked
	one.known = acked || status != 0 && status < http.StatusInternalServerError
	w.mu.Unlock()
	switch {
	case !acked || !follow:
	case len(w.regions) > 0:
		w.followRegions(ctx, one, time.Now())
	default:
		w.follow(ctx, admin, time.Now())
	}
}

// follow waits until every replica that answers serves what was acknowledged.
func (w *writer) follow(ctx context.Context, admin string, acked time.Time) {
	ctx, cancel := context.WithTimeout(ctx, followWithin)
	defer cancel()
	want, err := sut.NewestRevision(ctx, admin)
	if err != nil {
		return // the replica died meanwhile: nothing is known
	}
	for _, n := range w.lab.Nodes(topology.RoleGateway) {
		for wait := firstLook; ; wait = min(2*wait, longLook) {
			got, err := sut.ServedRevision(ctx, w.client, n)
			if err != nil {
				if ctx.Err() != nil {
					return
				}
				break // a dead replica serves nothing
			}
			if got >= want {
				break
			}
			select {
			case <-ctx.Done():
				w.mu.Lock()
				w.visible = append(w.visible, followWithin)
				w.mu.Unlock()
				return
			case <-time.After(wait):
			}
		}
	}
	w.mu.Lock()
	w.visible = append(w.visible, time.Since(acked))
	w.mu.Unlock()
}

// The asking for all that was written is bounded by so much, and so much more for
// each question.
const (
	verifyWithin = 2 * time.Minute
	verifyEach   = 20 * time.Millisecond
)

// verify asks every replica for every write, when all faults are over.
func (w *writer) verify(ctx context.Context) error {
	gateways := w.lab.Nodes(topology.RoleGateway)
	ctx, cancel := context.WithTimeout(ctx, verifyWithin+time.Duration(len(gateways)*len(w.sent))*verifyEach)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for _, n := range gateways {
		for _, one := range w.sent {
			group.Go(func() error { return w.check(ctx, sut.Admin(n), one) })
		}
	}
	return group.Wait()
}

func (w *writer) check(ctx context.Context, admin string, one *write) error {
	var got map[string]any
	err := jsonhttp.Do(ctx, w.client, http.MethodGet, admin+one.path, nil, &got)
	there := err == nil
	if !there && jsonhttp.StatusOf(err) != http.StatusNotFound {
		return fmt.Errorf("look for what was written: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	one.lost = one.lost || one.acked && !there
	one.half = one.half || there && !whole(one.body, got)
	return nil
}

// whole says whether every field is as it was written.
func whole(sent, got map[string]any) bool {
	for k, v := range sent {
		a, err1 := json.Marshal(v)
		b, err2 := json.Marshal(got[k])
		if err1 != nil || err2 != nil || !slices.Equal(a, b) {
			return false
		}
	}
	return true
}

// lostIn counts acknowledged writes of a time that are not there.
func (w *writer) lostIn(from, to time.Time) (n uint64) {
	for _, one := range w.sent {
		if one.lost && !one.at.Before(from) && one.at.Before(to) {
			n++
		}
	}
	return n
}

// figures are what became of all writes.
func (w *writer) figures() *result.Writes {
	out := &result.Writes{Sent: uint64(len(w.sent)), Followed: uint64(len(w.visible))}
	for _, one := range w.sent {
		switch {
		case one.acked:
			out.Acknowledged++
		case !one.known:
			out.Unknown++
		}
		if one.lost {
			out.Lost++
		}
		if one.half {
			out.Half++
		}
	}
	if len(w.visible) > 0 {
		slices.Sort(w.visible)
		out.VisibleP50MS = new(assess.InMS(w.visible[len(w.visible)/2]))
		out.VisibleMaxMS = new(assess.InMS(w.visible[len(w.visible)-1]))
	}
	return out
}
