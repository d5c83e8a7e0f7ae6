package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// names is a resolver that tests can drive.
type names struct {
	asked     int
	addresses []string
	err       error
	takes     time.Duration
}

func (n *names) lookup(ctx context.Context, _ string) ([]string, error) {
	n.asked++
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(n.takes):
	}
	return n.addresses, n.err
}

func TestNamesAreRememberedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{addresses: []string{"::1", "10.0.0.1"}, takes: time.Millisecond}
		h := newHost("origin:80", plainly(n.lookup))
		expect := func(when, want string, asked int) {
			t.Helper()
			got, err := h.resolve(t.Context(), false)
			s := ""
			if got != nil {
				s = strings.Join(got.Addresses, " ")
			}
			if s != want || err != nil && want != "" || n.asked != asked {
				t.Errorf("%s: %q %v after %d look-ups, want %q after %d", when, s, err, n.asked, want, asked)
			}
		}
		expect("at first", "10.0.0.1", 1)
		n.addresses = []string{"10.0.0.2"}
		expect("while it is fresh", "10.0.0.1", 1)
		time.Sleep(freshFor)
		expect("when it is no longer", "10.0.0.2", 2)
		n.err = errors.New("no resolver")
		time.Sleep(freshFor)
		expect("when the resolver fails", "10.0.0.2", 3)
		expect("right after that", "10.0.0.2", 3)
		time.Sleep(retryFor)
		expect("a second later", "10.0.0.2", 4)
		n.takes = time.Hour // it hangs
		time.Sleep(retryFor)
		began := time.Now()
		expect("when the resolver hangs", "10.0.0.2", 5)
		if waited := time.Since(began); waited > retryFor {
			t.Errorf("waited %v for a resolver that hangs", waited)
		}
		time.Sleep(staleFor)
		n.takes = time.Millisecond
		expect("when all is too old", "", 6)
		n.err, n.addresses = nil, nil
		expect("when the name has no address", "", 7)
	})
}

func TestSimultaneousConnectionsAskOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{addresses: []string{"10.0.0.1"}, takes: time.Second}
		h := newHost("origin:80", plainly(n.lookup))
		all := func() {
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					if got, err := h.resolve(t.Context(), false); err != nil || fmt.Sprint(got.Addresses) != "[10.0.0.1]" {
						t.Error(got, err)
					}
				})
			}
			wg.Wait()
		}
		all()
		time.Sleep(freshFor)
		all()
		if n.asked != 2 {
			t.Errorf("the resolver was asked %d times, want 2", n.asked)
		}
	})
}

func TestANameThatMovedIsFollowed(t *testing.T) {
	origin, connections := listen(t, func(c net.Conn) { answerAll(c, "HTTP/1.1 204 No Content\r\n\r\n") })
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(origin, "http://"))
	n := &names{addresses: []string{"127.0.0.9"}} // no server listens there
	p := NewPools(Config{LookupHost: n.lookup}, nil)
	defer p.Close()
	b := serviceAt(t, p, "http://origin.example:"+port)
	call := newCall(b)
	var dial *DialError
	if err := p.Do(call); !errors.As(err, &dial) {
		t.Fatalf("got %v", err)
	}
	b.ring.Load().members[0].target.host.asked = time.Now().Add(-2 * time.Second) // not just now, but fresh
	n.addresses = []string{"127.0.0.9", "127.0.0.1"}
	if err := p.Do(newCall(b)); err != nil {
		t.Errorf("after the name got another address: %v", err)
	}
	if connections.Load() != 1 {
		t.Errorf("%d connections", connections.Load())
	}
}
