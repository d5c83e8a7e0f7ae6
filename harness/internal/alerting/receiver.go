package alerting

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gatelab/gatelab/internal/webguard"
)

// Notification is one alert of a webhook of Alertmanager.
type Notification struct {
	Alert  string
	Labels map[string]string
	Firing bool      // false: resolved
	At     time.Time // when it was received
	Since  time.Time // when the alert began to fire, by Prometheus' clock
}

// Receiver receives Alertmanager's webhooks and keeps their notifications.
type Receiver struct {
	addr    string
	server  *http.Server
	serving sync.WaitGroup
	on      func(Notification)

	mu            sync.Mutex
	notifications []Notification
	changed       chan struct{} // closed and replaced with each notification
}

// Listen starts a receiver; on receives each notification and may be nil. hosts are further names by which Alertmanager reaches it. Close
// ends it.
func Listen(addr string, on func(Notification), hosts ...string) (*Receiver, error) {
	guard, err := webguard.New(webguard.Config{Listen: addr, Hosts: hosts})
	if err != nil {
		return nil, fmt.Errorf("alert receiver: hosts: %w", err)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("alert receiver: %w", err)
	}
	r := &Receiver{addr: l.Addr().String(), on: on, changed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /alerts", r.receive)
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	r.server = webguard.NewServer(guard.Wrap(mux), webguard.Limits{Read: 10 * time.Second})
	r.serving.Go(func() { _ = r.server.Serve(l) }) // ends with Close
	return r, nil
}

// URL is where Alertmanager has to post.
func (r *Receiver) URL() string { return "http://" + r.addr + "/alerts" }

// Close stops listening. What was received stays available.
func (r *Receiver) Close() {
	_ = r.server.Close()
	r.serving.Wait()
}

// maxBytes is the largest webhook that is accepted.
const maxBytes = 4 << 20

func (r *Receiver) receive(w http.ResponseWriter, req *http.Request) {
	var hook struct {
		Alerts []struct {
			Status   string            `json:"status"`
			Labels   map[string]string `json:"labels"`
			StartsAt time.Time         `json:"startsAt"`
		} `json:"alerts"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, maxBytes)).Decode(&hook); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	now := time.Now()
	for _, a := range hook.Alerts {
		r.add(Notification{Alert: a.Labels["alertname"], Labels: a.Labels, Firing: a.Status == "firing", At: now, Since: a.StartsAt})
	}
}

func (r *Receiver) add(n Notification) {
	r.mu.Lock()
	r.notifications = append(r.notifications, n)
	close(r.changed)
	r.changed = make(chan struct{})
	r.mu.Unlock()
	if r.on != nil {
		r.on(n)
	}
}

// Since are the notifications that were received at or after a time.
func (r *Receiver) Since(t time.Time) []Notification {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Notification
	for _, n := range r.notifications {
		if !n.At.Before(t) {
			out = append(out, n)
		}
	}
	return out
}

// Wait waits for a notification of an alert, firing or resolved, at or after a time.
func (r *Receiver) Wait(ctx context.Context, alert string, firing bool, after time.Time) (Notification, error) {
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		for _, n := range r.Since(after) {
			if n.Alert == alert && n.Firing == firing {
				return n, nil
			}
		}
		select {
		case <-ctx.Done():
			return Notification{}, context.Cause(ctx)
		case <-changed:
		}
	}
}

// Ended waits until every instance of an alert that fired is resolved, and returns when the last notification was received.
func (r *Receiver) Ended(ctx context.Context, alert string) (time.Time, error) {
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		if at, ended := r.ended(alert); ended {
			return at, nil
		}
		select {
		case <-ctx.Done():
			return time.Time{}, context.Cause(ctx)
		case <-changed:
		}
	}
}

// ended says whether no instance of an alert fires, and since when.
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
