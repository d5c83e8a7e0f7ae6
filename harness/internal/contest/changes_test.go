package contest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/sut"
)

// changeable is a gateway whose change is in effect some time after it is accepted.
type changeable struct {
	now   atomic.Int64
	delay time.Duration
	after int // changes beyond this one have no effect; 0: all have
}

func (c *changeable) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set(sut.ChangeHeader, strconv.FormatInt(c.now.Load(), 10))
}

func (c *changeable) change(_ context.Context, n int) error {
	if c.after > 0 && n > c.after {
		return nil
	}
	time.AfterFunc(c.delay, func() { c.now.Store(int64(n)) })
	return nil
}

// TestAnArmThatTakesNoChangesIsFound is the sabotage: without an effect there is no time to it.
func TestAnArmThatTakesNoChangesIsFound(t *testing.T) {
	for _, row := range []struct{ name, want string }{
		{name: "honest"},
		{name: "accepts and ignores", want: "a change was accepted, and is not in effect after 300ms"},
		{name: "refuses", want: "a change is not accepted: no"},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := &changeable{}
			s := httptest.NewServer(g)
			defer s.Close()
			do := g.change
			switch row.name {
			case "refuses":
				do = func(context.Context, int) error { return errors.New("no") }
			case "accepts and ignores":
				do = func(context.Context, int) error { return nil }
			}
			if got := takesChanges(t.Context(), newWatch(s.URL), do, 300*time.Millisecond); got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
}

func TestPropagationIsFromAcceptanceToEffect(t *testing.T) {
	g := &changeable{delay: 40 * time.Millisecond}
	s := httptest.NewServer(g)
	defer s.Close()
	w := newWatch(s.URL)
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() { defer close(watched); w.run(ctx) }()
	var p propagation
	if err := p.run(t.Context(), w, g.change, 2, 10, 500*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-watched
	if p.made != 5 || p.never != 0 || len(p.effects) != 5 {
		t.Fatalf("%+v", p)
	}
	for _, ms := range p.effects {
		if ms < 30 {
			t.Errorf("in effect after %v ms, of 40", ms)
		}
	}
	cell := &result.MatrixCell{}
	p.tell(cell, 10, time.Second, &load.Result{
		Counts: load.Counts{Requests: 100, Failed: 3}, Errors: map[string]uint64{load.KindReset: 3},
	})
	effect, lost := result.FiguresOfChanges(10)
	if cell.Figures[effect] < 30 || cell.Figures[lost] != 3 || len(cell.Reasons) != 2 ||
		!strings.Contains(cell.Reasons[1], "3 of 100 requests were lost: reset 3") {
		t.Errorf("cell %+v", cell)
	}
}

func TestAnArmThatDoesNotCarryTheRateIsTold(t *testing.T) {
	for _, row := range []struct {
		name                       string
		answered, inFlight, closed float64
		limited                    bool
		want                       string
	}{
		{name: "carries it", answered: 1500, inFlight: 3, closed: 4000},
		{name: "answers less", answered: 1100, inFlight: 30, closed: 1600, want: "compare at a lower rate (--rate 1120)"},
		{name: "a queue in each turn", answered: 1500, inFlight: 28, closed: 1200, want: "its closed loop reaches 1200, and 28.0 requests"},
		{name: "a noisy closed loop", answered: 1500, inFlight: 4, closed: 1425},
		{name: "the generator's limit", answered: 1500, inFlight: 28, closed: 1200, limited: true},
		{name: "a machine that stalled", answered: 1300, inFlight: 10, closed: 9000},
		{name: "a closed loop that tells nothing", answered: 1500, inFlight: 28},
	} {
		began := time.Now()
		open := &load.Result{
			Attack: load.Attack{Model: load.Open, Rate: 1500, Connections: 32}, Began: began, Ended: began.Add(time.Second),
			Counts: load.Counts{Successes: uint64(row.answered)}, InFlight: row.inFlight,
		}
		got := overloaded(open, row.closed, row.limited)
		if (got == "") != (row.want == "") || !strings.Contains(got, row.want) {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}
