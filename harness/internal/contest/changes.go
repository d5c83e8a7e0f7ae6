package contest

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/stats"
	"github.com/gatelab/gatelab/harness/internal/sut"
)

// Of changes under load.
const (
	changesFor   = 4 * time.Second        // at each rate of changes
	changesAfter = 300 * time.Millisecond // of load before the first change
	effectWithin = 10 * time.Second       // after it is accepted; later is never
	watchEvery   = 2 * time.Millisecond   // at most
	watchWithin  = 2 * time.Second        // one request of the watch
)

// watch asks an arm which change is in effect, again and again, on a new connection each time.
type watch struct {
	url    string
	client *http.Client

	mu   sync.Mutex
	seen map[int]time.Time // when a change was first seen, by its number
	last int               // the highest number seen
}

func newWatch(url string) *watch {
	return &watch{url: url, seen: map[int]time.Time{}, client: &http.Client{
		Timeout: watchWithin, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13}},
	}}
}

// run asks until ctx ends. A request without an answer says nothing here: the load counts what is lost.
func (w *watch) run(ctx context.Context) {
	for ctx.Err() == nil {
		if n, ok := w.ask(ctx); ok {
			w.mu.Lock()
			if n > w.last {
				w.last, w.seen[n] = n, time.Now()
			}
			w.mu.Unlock()
		}
		select {
		case <-ctx.Done():
		case <-time.After(watchEvery):
		}
	}
}

func (w *watch) ask(ctx context.Context) (int, bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url, http.NoBody)
	if err != nil {
		return 0, false
	}
	res, err := w.client.Do(req)
	if err != nil {
		return 0, false
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)) // only the header counts
	n, err := strconv.Atoi(res.Header.Get(sut.ChangeHeader))
	return n, err == nil
}

// when is the time at which the n-th change, or a later one, was first seen.
func (w *watch) when(n int) (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var first time.Time
	for _, k := range slices.Sorted(maps.Keys(w.seen)) {
		if k >= n && (first.IsZero() || w.seen[k].Before(first)) {
			first = w.seen[k]
		}
	}
	return first, !first.IsZero()
}

// wait waits until the n-th change is in effect; false: it is not, in that time.
func (w *watch) wait(ctx context.Context, n int, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		if _, ok := w.when(n); ok {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(watchEvery):
		}
	}
}

// change makes one change of an arm.
type change func(ctx context.Context, n int) error

// takesChanges says what is wrong with an arm that accepts a change which then has no effect; empty: nothing.
func takesChanges(ctx context.Context, w *watch, do change, within time.Duration) string {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { w.run(ctx) })
	defer watching.Wait()
	defer cancel()
	if err := do(ctx, 1); err != nil {
		return "a change is not accepted: " + session.OneLine(err)
	}
	if !w.wait(ctx, 1, within) {
		return fmt.Sprintf("a change was accepted, and is not in effect after %s", within)
	}
	return ""
}

// propagation is what a rate of changes came to.
type propagation struct {
	effects []float64 // ms from the acceptance of a change to its effect
	made    int
	never   int // changes without effect
}

// run makes changes from number first on at a rate, for a time, and waits for the last one's effect.
func (p *propagation) run(ctx context.Context, w *watch, do change, first, perSecond int, length time.Duration) error {
	accepted := map[int]time.Time{}
	began := time.Now()
	for i := 0; ; i++ {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(perSecond))
		if due.Sub(began) >= length || time.Since(began) >= length {
			break
		}
		if err := session.Rest(ctx, time.Until(due)); err != nil {
			return err
		}
		if err := do(ctx, first+i); err != nil {
			return fmt.Errorf("change %d: %w", i+1, err)
		}
		accepted[first+i] = time.Now()
	}
	p.made = len(accepted)
	w.wait(ctx, first+p.made-1, effectWithin)
	for _, n := range slices.Sorted(maps.Keys(accepted)) {
		at, ok := w.when(n)
		if !ok {
			p.never++
			continue
		}
		p.effects = append(p.effects, float64(max(at.Sub(accepted[n]), 0).Microseconds())/1e3)
	}
	return nil
}

// underChanges measures an arm while its configuration is changed, at each of the policy's rates.
func (m *measurer) underChanges(ctx context.Context, a *arm, l *lab.Lab, url string) error {
	next := 2 // the parity check made the first one
	for _, perSecond := range m.policy.Changes {
		watching, cancel := context.WithCancel(ctx)
		w := newWatch(url)
		var (
			group sync.WaitGroup
			sent  *load.Result
			lost  error
			p     propagation
		)
		group.Go(func() { w.run(watching) })
		length := changesFor
		group.Go(func() {
			attack := m.attack(a, load.Open, perSecond, changesAfter+length)
			sent, lost = m.session.Workers.Run(ctx, attack, nil)
		})
		err := session.Rest(ctx, changesAfter)
		if err == nil {
			err = p.run(ctx, w, func(ctx context.Context, n int) error { return a.Change(ctx, l, n) }, next, perSecond, length)
		}
		cancel()
		group.Wait()
		if err != nil || lost != nil {
			return firstError(err, lost)
		}
		next += p.made
		p.tell(a.cell, perSecond, length, sent)
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// tell puts the figures of a rate of changes into a cell.
func (p *propagation) tell(cell *result.MatrixCell, perSecond int, length time.Duration, sent *load.Result) {
	effect, lost := result.FiguresOfChanges(perSecond)
	if len(p.effects) > 0 {
		cell.Put(effect, stats.Median(p.effects))
	}
	cell.Put(lost, float64(sent.Failed))
	about := fmt.Sprintf("%d/s: ", perSecond)
	if want := int(length.Seconds()) * perSecond; p.made < want {
		cell.Reasons = append(cell.Reasons, about+fmt.Sprintf("%d of %d changes were made in the time: each is awaited", p.made, want))
	}
	if p.never > 0 {
		cell.Reasons = append(cell.Reasons, about+fmt.Sprintf("%d changes had no effect within %s", p.never, effectWithin))
	}
	if sent.Failed > 0 {
		cell.Reasons = append(cell.Reasons, about+fmt.Sprintf("%d of %d requests were lost: %s", sent.Failed, sent.Requests, kinds(sent)))
	}
}

// kinds are the failures of an attack, by kind.
func kinds(r *load.Result) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(r.Errors)) {
		out = append(out, fmt.Sprintf("%s %d", k, r.Errors[k]))
	}
	return strings.Join(out, ", ")
}
