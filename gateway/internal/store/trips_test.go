package store

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/internal/testenv"
)

// tripCounter is between clients and Postgres, and counts how often a client has waited
// for an answer before it said more.
type tripCounter struct {
	mu       sync.Mutex
	trips    int
	answered map[net.Conn]bool // the server has spoken last, by client
}

// countTrips returns the DSN that leads to a database through a counter.
func countTrips(t *testing.T, dsn string) (through string, c *tripCounter) {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c = &tripCounter{answered: map[net.Conn]bool{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", net.JoinHostPort(config.Host, fmt.Sprint(config.Port)))
			if err != nil {
				t.Error(err)
				client.Close()
				return
			}
			wg.Go(func() { c.pass(server, client, client, false) })
			wg.Go(func() { c.pass(client, server, client, true) })
		}
	})
	t.Cleanup(wg.Wait) // after the clients, which are closed before
	t.Cleanup(func() { ln.Close() })
	return fmt.Sprintf("%s host=127.0.0.1 port=%d", dsn, ln.Addr().(*net.TCPAddr).Port), c
}

// pass copies one direction of a client's connection, and closes both at its end.
func (c *tripCounter) pass(to, from, client net.Conn, answer bool) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		c.mu.Lock()
		if !answer && c.answered[client] {
			c.trips++
		}
		c.answered[client] = answer
		c.mu.Unlock()
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

func (c *tripCounter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trips
}

// TestRoundTripsOfAChange: the database may be far away. Statements are prepared the first
// time, and a connection that was idle for long is tested before it is used, so the least
// of several times counts.
func TestRoundTripsOfAChange(t *testing.T) {
	dsn, trips := countTrips(t, testenv.Postgres(t))
	p := open(t, Config{DSN: dsn, MaxConns: 1, Schemas: schemas})
	insert(t, p, "services", entity.Record{"name": "s", "host": "h"})
	username := func(i int) string { return fmt.Sprint("u", i) }
	for _, c := range []struct {
		name    string
		prepare func(i int)
		do      func(i int)
		want    int
	}{
		{"an insertion", nil, func(i int) { insert(t, p, "consumers", entity.Record{"username": username(i)}) }, 2},
		{"an update of a service", nil, func(i int) { patch(t, p, "services", "s", entity.Record{"host": fmt.Sprint("h", i)}) }, 3},
		{"a deletion", nil, func(i int) { remove(t, p, "consumers", username(i)) }, 4},
		{"reading a change", func(i int) { patch(t, p, "services", "s", entity.Record{"path": fmt.Sprint("/", i)}) }, func(int) {
			if _, err := p.Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, 2},
	} {
		least := 1000
		for i := range 5 {
			if c.prepare != nil {
				c.prepare(i)
			}
			before := trips.count()
			c.do(i)
			least = min(least, trips.count()-before)
		}
		if least != c.want {
			t.Errorf("%s: %d round trips, want %d", c.name, least, c.want)
		}
	}
	if got := sees(t, p, "in the end"); got.Services[0].Path != "/4" {
		t.Errorf("the path is %v", got.Services[0].Path)
	}
}

// TestANotificationTellsTheRevision, which nobody has to ask for then.
func TestANotificationTellsTheRevision(t *testing.T) {
	dsn := testenv.Postgres(t)
	through, trips := countTrips(t, dsn)
	p := open(t, Config{DSN: dsn})
	watched := open(t, Config{DSN: through, PollInterval: time.Minute})
	type told struct {
		revision int64
		trips    int
	}
	revisions := make(chan told, 10)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- watched.Watch(ctx, func(n int64) { revisions <- told{n, trips.count()} }, func(string) {})
	}()
	next := func() told {
		select {
		case got := <-revisions:
			return got
		case <-time.After(20 * time.Second):
			t.Fatal("no revision was told")
		}
		return told{}
	}
	first := next()
	insert(t, p, "consumers", entity.Record{"username": "u"})
	if got := next(); got.revision != first.revision+1 || got.trips != first.trips {
		t.Errorf("revision %d after %d questions, want %d without any", got.revision, got.trips-first.trips, first.revision+1)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
