package drill

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"gatelab/internal/webguard"
)

// Notice is one alert as Alertmanager told of it.
type Notice struct {
	Alert  string
	Labels map[string]string
	Firing bool      // false: resolved
	At     time.Time // when the receiver heard of it
	Since  time.Time // when it began to fire, by Prometheus' clock
}

// Receiver takes Alertmanager's webhooks and remembers them.
type Receiver struct {
	addr    string
	server  *http.Server
	serving sync.WaitGroup
	on      func(Notice)

	mu      sync.Mutex
	notices []Notice
	news    chan struct{} // closed and replaced with each notice
}

// Listen starts a receiver; on is told each notice and may be nil. hosts are
// further names by which Alertmanager reaches it. Close ends it.
func Listen(addr string, on func(Notice), hosts ...string) (*Receiver, error) {
	guard, err := webguard.New(webguard.Config{Listen: addr, Hosts: hosts})
	if err != nil {
		return nil, fmt.Errorf("alert receiver: hosts: %w", err)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("alert receiver: %w", err)
	}
	r := &Receiver{addr: l.Addr().String(), on: on, news: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /alerts", r.take)
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	r.server = webguard.NewServer(guard.Wrap(mux), webguard.Limits{Read: 10 * time.Second})
	r.serving.Go(func() { _ = r.server.Serve(l) }) // ends with Close
	return r, nil
}

// URL is where Alertmanager has to post.
func (r *Receiver) URL() string { return "http://" + r.addr + "/alerts" }

// Close stops listening. What was heard can still be asked for.
func (r *Receiver) Close() {
	_ = r.server.Close()
	r.serving.Wait()
}

// mostBytes of one webhook.
const mostBytes = 4 << 20

func (r *Receiver) take(w http.ResponseWriter, req *http.Request) {
	var hook struct {
		Alerts []struct {
			Status   string            `json:"status"`
			Labels   map[string]string `json:"labels"`
			StartsAt time.Time         `json:"startsAt"`
		} `json:"alerts"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, mostBytes)).Decode(&hook); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	now := time.Now()
	for _, a := range hook.Alerts {
		r.add(Notice{Alert: a.Labels["alertname"], Labels: a.Labels, Firing: a.Status == "firing", At: now, Since: a.StartsAt})
	}
}

func (r *Receiver) add(n Notice) {
	r.mu.Lock()
	r.notices = append(r.notices, n)
	close(r.news)
	r.news = make(chan struct{})
	r.mu.Unlock()
	if r.on != nil {
		r.on(n)
	}
}

// Since are the notices that were heard at or after a time.
func (r *Receiver) Since(t time.Time) []Notice {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Notice
	for _, n := range r.notices {
		if !n.At.Before(t) {
			out = append(out, n)
		}
	}
	return out
}

// Wait waits for a notice of an alert, firing or resolved, heard after a time.
func (r *Receiver) Wait(ctx context.Context, alert string, firing bool, after time.Time) (Notice, error) {
	for {
		r.mu.Lock()
		news := r.news
		r.mu.Unlock()
		for _, n := range r.Since(after) {
			if n.Alert == alert && n.Firing == firing {
				return n, nil
			}
		}
		select {
		case <-ctx.Done():
			return Notice{}, context.Cause(ctx)
		case <-news:
		}
	}
}

// Ended waits until every instance of an alert that was told as firing was told
// as resolved, and returns when the last of them was.
func (r *Receiver) Ended(ctx context.Context, alert string) (time.Time, error) {
	for {
		r.mu.Lock()
		news := r.news
		r.mu.Unlock()
		if at, ended := r.ended(alert); ended {
			return at, nil
		}
		select {
		case <-ctx.Done():
			return time.Time{}, context.Cause(ctx)
		case <-news:
		}
	}
}

// ended tells whether no instance of an alert fires, and since when.
func (r *Receiver) ended(alert string) (at time.Time, ended bool) {
	firing := map[string]bool{}
	for _, n := range r.Since(time.Time{}) {
		if n.Alert != alert {
			continue
		}
		instance := fmt.Sprint(n.Labels) // a map is printed in the order of its keys
		if n.Firing {
			firing[instance] = true
			continue
		}
		delete(firing, instance)
		at = n.At
	}
	return at, len(firing) == 0
}
