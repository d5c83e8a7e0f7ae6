package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/internal/testenv"
)

// admin is a connection to the server of p's database, but not to the database.
func admin(t *testing.T, p *Postgres) (conn *pgx.Conn, database string) {
	t.Helper()
	config, err := pgx.ParseConfig(p.config.DSN)
	if err != nil {
		t.Fatal(err)
	}
	database, config.Database = config.Database, "postgres"
	if conn, err = pgx.ConnectConfig(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn, database
}

// kick ends all connections to the database, on the server's side.
func kick(t *testing.T, conn *pgx.Conn, database string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", database); err != nil {
		t.Fatal(err)
	}
}

// fill makes n connections and gives them back.
func fill(t *testing.T, p *Postgres, n int) {
	t.Helper()
	for range n {
		c, err := p.pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Release()
	}
}

func TestADemotedPrimaryCostsItsConnections(t *testing.T) {
	p := open(t, Config{})
	insert(t, p, "consumers", entity.Record{"username": "before"})
	conn, database := admin(t, p)
	set := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), "ALTER DATABASE "+database+" "+sql); err != nil {
			t.Fatal(err)
		}
	}
	set("SET default_transaction_read_only = on")
	kick(t, conn, database)
	s, r := made(t, "consumers", entity.Record{"username": "after"})
	err := p.Insert(t.Context(), s, r, "")
	if !errors.Is(err, ErrReadOnly) || !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "read-only") {
		t.Fatalf("a write to a standby: %v", err)
	}
	if got, err := p.Select(t.Context(), s, "before", nil); err != nil || got == nil {
		t.Errorf("a read of a standby: %v %v", got, err)
	}
	if _, err := p.Snapshot(t.Context()); err != nil {
		t.Errorf("the configuration of a standby: %v", err)
	}
	fill(t, p, 8) // to the standby
	set("RESET default_transaction_read_only")
	p.resetAt.Store(0) // as if more than a second had passed
	if err := p.Insert(t.Context(), s, r, ""); err != nil {
		t.Errorf("the primary is back, and a write: %v", err)
	}
	for range 20 { // and no other connection leads to the standby any more
		var readOnly string
		if err := p.pool.QueryRow(t.Context(), "SHOW transaction_read_only").Scan(&readOnly); err != nil || readOnly != "off" {
			t.Fatalf("%s %v", readOnly, err)
		}
	}
}

func TestConnectionsThatTheServerEndedCostNoError(t *testing.T) {
	p := open(t, Config{})
	conn, database := admin(t, p)
	s, _ := schemas.ByName("consumers")
	insert(t, p, "consumers", entity.Record{"username": "u"})
	for name, do := range map[string]func() error{
		"revision": func() error { _, err := p.Revision(t.Context()); return err },
		"select":   func() error { _, err := p.Select(t.Context(), s, "u", nil); return err },
		"list":     func() error { _, _, err := p.List(t.Context(), s, Query{Size: 10}); return err },
		"write": func() error {
			_, _, err := p.Modify(t.Context(), s, "u", nil, "", func(old entity.Record) (entity.Record, error) {
				return s.ProcessUpdate(old, entity.Record{"tags": []any{"t"}}, time.Now())
			})
			return err
		},
		"snapshot": func() error { _, err := p.Snapshot(t.Context()); return err },
		"word":     func() error { return p.Publish(t.Context(), "w") },
		"history":  func() error { _, err := p.Revisions(t.Context(), 0, 10); return err },
	} {
		fill(t, p, 4)
		kick(t, conn, database)
		p.resetAt.Store(0)
		before := testutil.ToFloat64(p.metrics.retries)
		if err := do(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := testutil.ToFloat64(p.metrics.retries) - before; n > 1 {
			t.Errorf("%s was asked %v times again", name, n)
		}
	}
}

// wire is a TCP forwarder that breaks a connection off when the client says a
// word, without passing it on.
type wire struct {
	word  atomic.Pointer[string] // broken off once, then forgotten
	conns sync.Map
}

func (w *wire) pass(client, server net.Conn) {
	defer client.Close()
	defer server.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := client.Read(b)
		if word := w.word.Load(); word != nil && bytes.Contains(b[:n], []byte(*word)) && w.word.CompareAndSwap(word, nil) {
			return
		}
		if _, werr := server.Write(b[:n]); err != nil || werr != nil {
			return
		}
	}
}

// newWire forwards to the server of a DSN, and returns the DSN through it.
func newWire(t *testing.T, dsn string) (*wire, string) {
	t.Helper()
	port := regexp.MustCompile(`port=(\d+)`)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", "127.0.0.1:"+port.FindStringSubmatch(dsn)[1])
			if err != nil {
				client.Close()
				continue
			}
			w.conns.Store(client, true)
			w.conns.Store(server, true)
			wg.Go(func() { w.pass(client, server) })
			wg.Go(func() {
				defer client.Close()
				_, _ = io.Copy(client, server)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		w.conns.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
		wg.Wait()
	})
	_, own, _ := net.SplitHostPort(l.Addr().String())
	return w, port.ReplaceAllString(dsn, "port="+own)
}

func TestAChangeIsMadeOnceWhereverItsConnectionBreaks(t *testing.T) {
	w, dsn := newWire(t, testenv.Postgres(t))
	p := open(t, Config{DSN: dsn})
	for i, c := range []struct {
		word  string
		again bool
	}{{"begin", true}, {"INSERT INTO", true}, {"pg_notify", true}, {"commit", false}} {
		before := testutil.ToFloat64(p.metrics.retries)
		revision, err := p.Revision(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s, r := made(t, "consumers", entity.Record{"username": fmt.Sprintf("u%d", i)})
		p.pool.Reset() // nothing is prepared: the statements' texts pass
		w.word.Store(&c.word)
		err = p.Insert(t.Context(), s, r, "")
		retried := testutil.ToFloat64(p.metrics.retries) > before
		if retried != c.again || (err == nil) != c.again {
			t.Errorf("broken off at %q: %v, asked again: %t", c.word, err, retried)
		}
		if err != nil && !errors.Is(err, ErrUnavailable) {
			t.Errorf("broken off at %q: %v, want ErrUnavailable", c.word, err)
		}
		now, err := p.Revision(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int64{true: 1, false: 0}[c.again]; now-revision != want {
			t.Errorf("case %d, broken off at %q: %d revisions, want %d", i, c.word, now-revision, want)
		}
	}
}

func TestWhatMakesAConnectionUseless(t *testing.T) {
	for code, want := range map[string]bool{
		"25006": true, "57P01": true, "57P02": true, "57P03": true, "57P04": true, "57P05": true, "25P03": true, "08006": true, "08P01": true,
		"57014": false, "23505": false, "40001": false, "53300": false, "42601": false, "": false,
	} {
		if got := isReadOnly(code) || isClosing(code); got != want {
			t.Errorf("%q: %t", code, got)
		}
	}
}
