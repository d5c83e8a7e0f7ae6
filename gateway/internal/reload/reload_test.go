package reload

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

var (
	errAway      = errors.New("away")
	errForGood   = errors.New("cannot work")
	errGibberish = errors.New("gibberish")
	errInvalid   = errors.New("invalid")
)

// fakeStore has one revision at a time, and announces each to its watcher.
type fakeStore struct {
	mu       sync.Mutex
	revision int64
	err      error         // of Snapshot
	asked    int           // calls of Snapshot
	far      time.Duration // a round trip
	watch    chan int64
	texts    chan string
}

func newStore() *fakeStore {
	return &fakeStore{revision: 1, watch: make(chan int64, 100), texts: make(chan string, 1)}
}

func (s *fakeStore) set(change func(s *fakeStore)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// commit makes a new revision and announces it.
func (s *fakeStore) commit() {
	s.set(func(s *fakeStore) { s.revision++ })
	s.watch <- s.revision
}

func (s *fakeStore) Snapshot(context.Context) (*entity.Config, error) {
	time.Sleep(s.far) // of a synctest bubble
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	return &entity.Config{Revision: s.revision}, s.err
}

func (s *fakeStore) Watch(ctx context.Context, changed func(int64), received func(string)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case revision := <-s.watch:
			if revision < 0 {
				return errForGood
			}
			changed(revision)
		case text := <-s.texts:
			received(text)
		}
	}
}

// fakePlane takes as long as took to apply a configuration.
type fakePlane struct {
	mu      sync.Mutex
	took    time.Duration
	err     error
	applied []int64
	refused []int64
}

func (p *fakePlane) Apply(cfg *entity.Config) error {
	time.Sleep(p.took) // of a synctest bubble
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.applied = append(p.applied, cfg.Revision)
	}
	return p.err
}

func (p *fakePlane) Refuse(revision int64, err error) error {
	p.refused = append(p.refused, revision)
	return err
}

func (p *fakePlane) last() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.applied) == 0 {
		return 0
	}
	return p.applied[len(p.applied)-1]
}

// bench is a Reloader between a fake store and a fake data plane.
type bench struct {
	store   *fakeStore
	plane   *fakePlane
	log     *strings.Builder
	reasons []string
	texts   []string
	*Reloader
}

func newBench() *bench {
	b := &bench{store: newStore(), plane: &fakePlane{}, log: &strings.Builder{}}
	b.Reloader = New(b.store, b.plane, Config{
		Permanent:   func(err error) bool { return errors.Is(err, errForGood) },
		Undecodable: func(err error) (int64, bool) { return 7, errors.Is(err, errGibberish) },
		Receive:     func(text string) { b.texts = append(b.texts, text) },
		Waiting:     func(reason string) { b.reasons = append(b.reasons, reason) },
		Log:         slog.New(slog.NewTextHandler(b.log, nil)),
	}, prometheus.NewRegistry())
	return b
}

// run runs the Reloader until the test ends.
func (b *bench) run(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func (b *bench) isApplied() bool {
	select {
	case <-b.Applied():
		return true
	default:
		return false
	}
}

func ready(context.Context) error { return nil }

func TestLoad(t *testing.T) {
	for _, tt := range []struct {
		name        string
		err, reject error
		rejected    bool
		want        error
		refused     []int64
	}{
		{name: "a configuration"},
		{name: "the store is away", err: errAway, want: errAway},
		{name: "what is stored cannot be decoded", err: errGibberish, want: errGibberish, rejected: true, refused: []int64{7}},
		{name: "the data plane rejects it", reject: errInvalid, want: errInvalid, rejected: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench()
			b.store.err = tt.err
			b.plane.err = tt.reject
			err := b.Load(t.Context())
			var rejected *RejectedError
			if !errors.Is(err, tt.want) || errors.As(err, &rejected) != tt.rejected {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if n := testutil.ToFloat64(b.metrics.applyErrors); (n == 1) != tt.rejected {
				t.Errorf("%v rejections are counted", n)
			}
			if b.isApplied() != (tt.want == nil) || !slices.Equal(b.plane.refused, tt.refused) {
				t.Errorf("applied: %v; refused: %v", b.isApplied(), b.plane.refused)
			}
			if got := len(b.reasons) == 1; got != tt.rejected {
				t.Errorf("waits for %q", b.reasons)
			}
		})
	}
}

func TestAwait(t *testing.T) {
	for _, tt := range []struct {
		name   string
		reject error
		within time.Duration
		waits  int64 // for this revision, where 2 is committed after a second
		want   bool
		took   time.Duration
	}{
		{name: "a revision that is in use already", within: time.Minute, waits: 1, want: true},
		{name: "one that comes", within: time.Minute, waits: 2, want: true, took: time.Second},
		{name: "one that is rejected", reject: errInvalid, within: time.Minute, waits: 2, took: time.Second},
		{name: "one that does not come in time", within: 500 * time.Millisecond, waits: 2, took: 500 * time.Millisecond},
		{name: "one that does not come", within: time.Minute, waits: 3, took: time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				if err := b.Start(t.Context(), ready, time.Minute); err != nil {
					t.Fatal(err)
				}
				b.plane.err = tt.reject
				b.run(t)
				time.AfterFunc(time.Second, b.store.commit)
				ctx, cancel := context.WithTimeout(t.Context(), tt.within)
				defer cancel()
				began := time.Now()
				if got := b.Await(ctx, tt.waits); got != tt.want || time.Since(began) != tt.took {
					t.Errorf("%v after %s, want %v after %s", got, time.Since(began), tt.want, tt.took)
				}
				time.Sleep(2 * time.Second) // the store's watcher takes what is announced
			})
		})
	}
}

// Who waits for a change is not kept by the pause that follows a long reload.
func TestAwaitShortensThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.plane.took = 100 * time.Millisecond
		if err := b.Start(t.Context(), ready, time.Minute); err != nil {
			t.Fatal(err)
		}
		b.run(t)
		b.store.commit()
		began := time.Now()
		if !b.Await(t.Context(), 2) {
			t.Fatal("the first change is not in use")
		}
		b.store.commit()
		if !b.Await(t.Context(), 3) || time.Since(began) > 310*time.Millisecond {
			t.Errorf("two changes took %s, want two reloads and a pause of the same length", time.Since(began))
		}
	})
}

func TestStartWaitsForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.store.err = errAway
		time.AfterFunc(10*time.Second, func() { b.store.set(func(s *fakeStore) { s.err = nil }) })
		began := time.Now()
		if err := b.Start(t.Context(), ready, time.Minute); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 10*time.Second || took > 12*time.Second {
			t.Errorf("started after %s, want 10s and at most the longest pause", took)
		}
		if b.store.asked > 20 || len(b.reasons) != b.store.asked-1 || !strings.Contains(b.reasons[0], "Postgres") || !b.isApplied() {
			t.Errorf("asked %d times, reasons %q", b.store.asked, b.reasons)
		}
	})
}

func TestStartEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			name    string
			prepare error
			timeout time.Duration
			cancel  time.Duration
			want    time.Duration
		}{
			{name: "at its time-out", prepare: errAway, timeout: time.Minute, want: time.Minute},
			{name: "at once, without a time-out", prepare: errAway},
			{name: "at once, where waiting does not help", prepare: errForGood, timeout: time.Minute},
			{name: "when it is cancelled", prepare: errAway, timeout: time.Minute, cancel: 3 * time.Second, want: 3 * time.Second},
		} {
			b := newBench()
			ctx, cancel := context.WithCancel(t.Context())
			if tt.cancel > 0 {
				time.AfterFunc(tt.cancel, cancel)
			}
			began := time.Now()
			err := b.Start(ctx, func(context.Context) error { return tt.prepare }, tt.timeout)
			if !errors.Is(err, tt.prepare) {
				t.Errorf("%s: %v, want %v", tt.name, err, tt.prepare)
			}
			if took := time.Since(began); took > tt.want || took < tt.want-maxStartPause {
				t.Errorf("%s: after %s, want %s", tt.name, took, tt.want)
			}
			cancel()
		}
	})
}

func TestARejectedConfigurationDoesNotStopTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.plane.err = errInvalid
		if err := b.Start(t.Context(), ready, 0); err != nil {
			t.Fatal(err)
		}
		if b.isApplied() || len(b.reasons) != 1 || !strings.Contains(b.reasons[0], "rejected") {
			t.Errorf("applied: %v, reasons %q", b.isApplied(), b.reasons)
		}
		b.run(t)
		b.plane.err = nil
		b.store.commit()
		synctest.Wait()
		if !b.isApplied() || b.plane.last() != 2 {
			t.Errorf("after the correction revision %d is in use", b.plane.last())
		}
	})
}

func TestARejectedRevisionKeepsThePreviousOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.run(t)
		b.store.commit()
		synctest.Wait()
		b.plane.err = errInvalid
		b.store.commit()
		synctest.Wait()
		time.Sleep(time.Minute)
		synctest.Wait()
		if b.plane.last() != 2 || testutil.ToFloat64(b.metrics.applyErrors) != 1 || b.store.asked != 2 {
			t.Errorf("revision %d is in use after %d attempts", b.plane.last(), b.store.asked)
		}
		if !strings.Contains(b.log.String(), "configuration rejected; keeping the previous revision") || len(b.reasons) > 0 {
			t.Errorf("log: %s, reasons %q", b.log, b.reasons)
		}
		b.plane.err = nil
		b.store.commit()
		synctest.Wait()
		if b.plane.last() != 4 {
			t.Errorf("after the correction revision %d is in use", b.plane.last())
		}
	})
}

func TestAnAnnouncedRevisionIsReadWhenTheStoreIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.run(t)
		b.store.set(func(s *fakeStore) { s.err = errAway })
		b.store.commit()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if b.plane.last() != 0 || b.store.asked < 5 || b.store.asked > 15 {
			t.Fatalf("asked %d times in 20s", b.store.asked)
		}
		b.store.set(func(s *fakeStore) { s.err = nil })
		time.Sleep(maxPause)
		synctest.Wait()
		if b.plane.last() != 2 {
			t.Errorf("revision %d is in use", b.plane.last())
		}
	})
}

// The first change after a pause is applied at once; changes that keep coming are
// applied together.
func TestChangesThatComeFastAreAppliedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.plane.took = 100 * time.Millisecond
		b.run(t)
		b.store.commit()
		time.Sleep(b.plane.took)
		synctest.Wait()
		if b.plane.last() != 2 {
			t.Fatal("the first change is not applied at once")
		}
		began := time.Now()
		for range 1000 {
			b.store.commit()
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		most := int(time.Since(began)/(5*b.plane.took)) + 1
		if n := len(b.plane.applied); b.plane.last() != 1002 || n > most || n < most/2 {
			t.Errorf("1000 changes were applied %d times, want at most %d; revision %d is in use", n, most, b.plane.last())
		}
	})
	for took, want := range map[time.Duration]time.Duration{
		0: 0, 5 * time.Millisecond: 20 * time.Millisecond, time.Second: 2 * time.Second, time.Minute: 2 * time.Second,
	} {
		if got := restAfter(took); got != want {
			t.Errorf("after %s: %s, want %s", took, got, want)
		}
	}
}

// A change must not wait for the pause after another one that had only to come a long way.
func TestADistantStoreCostsNoPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.store.far, b.plane.took = 300*time.Millisecond, time.Millisecond
		b.run(t)
		began := time.Now()
		for range 3 {
			b.store.commit()
			time.Sleep(b.store.far + b.plane.took + 10*time.Millisecond)
			synctest.Wait()
		}
		if b.plane.last() != 4 || len(b.plane.applied) != 3 {
			t.Errorf("revision %d is in use after %s, applied %v", b.plane.last(), time.Since(began), b.plane.applied)
		}
	})
}

func TestMessagesArePassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.run(t)
		b.store.texts <- "hello"
		synctest.Wait()
		if len(b.texts) != 1 || b.texts[0] != "hello" {
			t.Errorf("received %q", b.texts)
		}
	})
}

func TestRunEndsWithItsWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.store.watch <- -1
		if err := b.Run(t.Context()); !errors.Is(err, errForGood) {
			t.Errorf("got %v", err)
		}
	})
}
