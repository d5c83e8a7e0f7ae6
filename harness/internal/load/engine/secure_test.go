package engine

import (
	"crypto/tls"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
)

// witness is a server that counts what came how.
type witness struct {
	mu          sync.Mutex
	protocols   map[string]int
	connections map[string]bool
	full        int // handshakes that resumed no session
}

func (w *witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.protocols[r.Proto+" "+tls.VersionName(r.TLS.Version)]++
	if !w.connections[r.RemoteAddr] && !r.TLS.DidResume {
		w.full++
	}
	w.connections[r.RemoteAddr] = true
	w.mu.Unlock()
	body := `{"id":"model-` + r.URL.Path[len("/models/"):] + `"}`
	rw.Header().Set("X-Origin-Body", hashOf([]byte(body)))
	rw.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = rw.Write([]byte(body))
}

// secure starts a witness with TLS, and gives it as an attack's target.
func secure(t testing.TB, config *tls.Config) (*witness, load.Attack) {
	t.Helper()
	w := &witness{protocols: map[string]int{}, connections: map[string]bool{}}
	s := httptest.NewUnstartedServer(w)
	s.EnableHTTP2, s.TLS = true, config
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	return w, load.Attack{
		Target: s.URL, TLS: &load.TLS{Roots: roots, Name: "example.com"}, SampleEvery: 1, Connections: 2,
		Requests: []load.Request{{Name: "get", Path: "/models/{id}", IDs: 50}},
	}
}

func TestTLSAndHTTP2(t *testing.T) {
	for _, row := range []struct {
		name    string
		change  func(*load.Attack)
		proto   string
		connect func(connections int, requests uint64) bool
	}{
		{"kept connections", func(*load.Attack) {}, "HTTP/1.1 TLS 1.3", func(c int, _ uint64) bool { return c == 2 }},
		{"a handshake for each request", func(a *load.Attack) { a.Reconnect = true }, "HTTP/1.1 TLS 1.3",
			func(c int, n uint64) bool { return uint64(c) >= n }},
		{"HTTP/2", func(a *load.Attack) { a.Streams = 20 }, "HTTP/2.0 TLS 1.3", func(c int, _ uint64) bool { return c == 2 }},
	} {
		t.Run(row.name, func(t *testing.T) {
			w, a := secure(t, nil)
			row.change(&a)
			r := some(t, a, 200)
			sums(t, r)
			if r.Failed > 0 || r.Hashed != r.Successes {
				t.Fatalf("%d of %d failed: %v %v; %d bodies checked", r.Failed, r.Requests, r.Errors, r.Mismatches, r.Hashed)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if len(w.protocols) != 1 || w.protocols[row.proto] == 0 || w.full != len(w.connections) {
				t.Errorf("protocols %v, %d full handshakes on %d connections", w.protocols, w.full, len(w.connections))
			}
			if !row.connect(len(w.connections), r.Requests) {
				t.Errorf("%d connections for %d requests", len(w.connections), r.Requests)
			}
		})
	}
}

func TestOpenAttackOverHTTP2(t *testing.T) {
	_, a := secure(t, nil)
	a.Model, a.Rate = load.Open, 500
	a.Duration, a.Streams = time.Second, 100
	a.Connections = 1
	r := do(t, a)
	sums(t, r)
	if r.Requests != 500 || r.Failed > 0 || r.ConnectionsOpened > 1 {
		t.Errorf("%d requests, %d failed: %v; %d connections", r.Requests, r.Failed, r.Errors, r.ConnectionsOpened)
	}
}

// TestWhatIsNotTLS13WithTheCertificateFails is what a wrong target must not pass as.
func TestWhatIsNotTLS13WithTheCertificateFails(t *testing.T) {
	plain := null(t)
	for _, row := range []struct {
		name   string
		config *tls.Config
		change func(*load.Attack)
	}{
		{"TLS 1.2", &tls.Config{MaxVersion: tls.VersionTLS12}, func(*load.Attack) {}},
		{"another name", nil, func(a *load.Attack) { a.TLS.Name = "another.test" }},
		{"no TLS at all", nil, func(a *load.Attack) { a.Target = "https" + plain[len("http"):] }},
		{"HTTP/1.1 where HTTP/2 is wanted", &tls.Config{NextProtos: []string{protoHTTP1}}, func(a *load.Attack) { a.Streams = 5 }},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, a := secure(t, row.config)
			row.change(&a)
			r := some(t, a, 3)
			if r.Successes > 0 || r.Errors[load.KindTLS] != r.Failed {
				t.Errorf("%d of %d succeeded: %v", r.Successes, r.Requests, r.Errors)
			}
		})
	}
}

func TestEventsOfAStreamAreTimed(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 4 {
			_, _ = w.Write([]byte("data: x\n"))
			w.(http.Flusher).Flush() // an event comes in parts
			_, _ = w.Write([]byte("\n"))
			w.(http.Flusher).Flush()
			if i == 0 {
				time.Sleep(50 * time.Millisecond)
			}
		}
	})
	r := some(t, load.Attack{Target: s, Connections: 2}, 6)
	if r.Failed > 0 || r.Events != 4*r.Successes || r.FirstEvent.Count() != r.Successes {
		t.Fatalf("%d events, %d first ones of %d streams, %d failed: %v", r.Events, r.FirstEvent.Count(), r.Successes, r.Failed, r.Errors)
	}
	if first, whole := r.FirstEvent.Quantile(0.5), r.Service.Quantile(0.5); first+40*time.Millisecond > whole {
		t.Errorf("the first event came after %s of %s", first, whole)
	}
}
