package redisconn

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options names a Redis server, and how it is spoken to, as a plugin's
// configuration does. It is comparable: equal Options share one Client, and
// what differs in any field is a connection pool of its own.
type Options struct {
	Host       string
	Port       int // 6379 when 0
	Username   string
	Password   string
	Database   int
	TLS        bool
	VerifyTLS  bool          // check the server's certificate, for ServerName
	ServerName string        // Host when empty; also sent as SNI
	Timeout    time.Duration // for connecting, and for one Do; 0: the registry's two

	// Cluster are the addresses of nodes of a Redis Cluster, with commas between them, in the place of Host and Port. Empty: it is none.
	Cluster      string
	Redirections int // of one command by the cluster, at most; 0: 3
	// Master is the name of the server that Sentinels watch, and Sentinels are their addresses, with commas between them, in the place of
	// Host and Port. Empty: there are none.
	Master, Sentinels                  string
	SentinelUsername, SentinelPassword string
}

// Address is host:port, without credentials: it is what metrics and logs show. Of a cluster it is all that was named, of a master that
// Sentinels know its name and theirs.
func (o Options) Address() string {
	switch {
	case o.Cluster != "":
		return o.Cluster
	case o.Master != "":
		return o.Master + "@" + o.Sentinels
	}
	port := o.Port
	if port == 0 {
		port = 6379
	}
	return net.JoinHostPort(o.Host, strconv.Itoa(port))
}

// Config is how every client of a registry behaves. Zero fields take the
// default beside them.
type Config struct {
	DialTimeout  time.Duration // 250ms
	Timeout      time.Duration // 100ms: one Do, with the wait for a connection
	PoolSize     int           // 32 connections a server
	BreakAfter   int           // 5 failures in a row open the breaker
	BreakFor     time.Duration // 500ms between two probes of an open breaker
	PollInterval time.Duration // 5s between two readings of a server's memory
	RetireAfter  time.Duration // 10s: how long a client that Keep dropped serves what is in flight

	RootCAs *x509.CertPool // who may sign servers' certificates; nil: the system's
	Log     *slog.Logger   // a line when a server goes away, and one when it is back; nil: none
}

func (c Config) withDefaults() Config {
	fill := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	fill(&c.DialTimeout, 250*time.Millisecond)
	fill(&c.Timeout, 100*time.Millisecond)
	fill(&c.BreakFor, 500*time.Millisecond)
	fill(&c.PollInterval, 5*time.Second)
	fill(&c.RetireAfter, 10*time.Second)
	if c.PoolSize <= 0 {
		c.PoolSize = 32
	}
	if c.BreakAfter <= 0 {
		c.BreakAfter = 5
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Registry owns the clients, their probes and the goroutine that polls them.
type Registry struct {
	cfg     Config
	metrics *metrics

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	clients map[Options]*Client
	added   chan *Client // wakes the poller for a first reading
	closed  bool
}

// NewRegistry starts a registry with no clients. Metrics go to reg, which may
// be nil.
func NewRegistry(cfg Config, reg prometheus.Registerer) *Registry {
	ctx, cancel := context.WithCancel(context.Background())
	r := &Registry{
		cfg:     cfg.withDefaults(),
		metrics: newMetrics(reg),
		ctx:     ctx,
		cancel:  cancel,
		clients: map[Options]*Client{},
		added:   make(chan *Client, 16),
	}
	r.wg.Go(r.poll)
	return r
}

// Client returns the client of a server: the same *Client for the same
// Options, for as long as configurations use it (see Keep). It does not connect.
// After Close it returns a client that is always unavailable.
func (r *Registry) Client(o Options) *Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c, ok := r.clients[o]; ok {
		return c
	}
	c := newClient(r, o)
	r.clients[o] = c
	if r.closed {
		c.breaker.open.Store(true)
		return c
	}
	select {
	case r.added <- c:
	default: // the next tick reads it
	}
	return c
}

// Close stops the goroutines, waits for them, and closes every connection.
func (r *Registry) Close() error {
	r.mu.Lock()
	r.closed = true
	clients := r.list()
	r.mu.Unlock()
	r.cancel()
	r.wg.Wait()
	for _, c := range clients {
		c.breaker.open.Store(true)
		_ = c.rdb.Close()
	}
	return nil
}

// Keep forgets all clients but those that the configuration in use has: a server
// that was taken out of it may be gone for good. Requests in flight have some
// time to finish on theirs before it is closed.
func (r *Registry) Keep(used []*Client) {
	wanted := make(map[*Client]bool, len(used))
	for _, c := range used {
		wanted[c] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for o, c := range r.clients {
		if wanted[c] || r.closed {
			continue
		}
		delete(r.clients, o)
		r.wg.Go(func() { r.retire(c) })
	}
}

// retire closes a client when nothing can be in flight on it any more.
func (r *Registry) retire(c *Client) {
	select {
	case <-r.ctx.Done():
	case <-time.After(r.cfg.RetireAfter):
	}
	c.cancel()
	c.breaker.open.Store(true)
	_ = c.rdb.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.show(c.options.Address()) {
		r.metrics.forget(c.options.Address())
	}
}

// show sets the gauge of a server: up where all clients of it that are in use
// are. One may be away alone, because of its password, say. It is false where
// no client uses the server. r.mu is held.
func (r *Registry) show(address string) bool {
	used, up := false, 1.0
	for o, c := range r.clients {
		if o.Address() == address {
			used = true
			if c.state.Load() == stateAway {
				up = 0
			}
		}
	}
	if used {
		r.metrics.up.WithLabelValues(address).Set(up)
	}
	return used
}

// list copies the clients; r.mu is held.
func (r *Registry) list() []*Client {
	list := make([]*Client, 0, len(r.clients))
	for _, c := range r.clients {
		list = append(list, c)
	}
	return list
}

// spawn runs f on a goroutine that Close waits for; not after Close.
func (r *Registry) spawn(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.wg.Go(f)
	}
}
