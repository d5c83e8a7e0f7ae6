package main

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin/all"
	"github.com/gatelab/gatelab/gateway/internal/store"
)

// bounded gets a URL, and fails the test when that takes longer than
// 30 s.
func (b *testGateway) bounded(url string) response {
	b.t.Helper()
	done := make(chan response, 1)
	go func() { done <- b.get(url) }()
	select {
	case r := <-done:
		return r
	case <-time.After(30 * time.Second):
		b.t.Fatalf("%s hangs", url)
		panic("unreachable")
	}
}

// elsewhere is the database as another replica sees it.
func (b *testGateway) elsewhere() *store.Postgres {
	b.t.Helper()
	config := store.Config{DSN: b.direct, AcquireTimeout: 30 * time.Second, QueryTimeout: 30 * time.Second}
	other, err := store.Open(context.Background(), config, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(other.Close)
	return other
}

func TestPostgresOutagesCostNoRequest(t *testing.T) {
	database := regexp.MustCompile(`dbname=\S+`)
	for name, outage := range map[string]func(b *testGateway, away bool){
		"killed": func(b *testGateway, away bool) { b.postgres.set(away) },
		"paused": func(b *testGateway, away bool) { b.postgres.hung.Store(away) },
		"serves no client": func(b *testGateway, away bool) {
			ctx := context.Background()
			conn, err := pgx.Connect(ctx, database.ReplaceAllString(b.direct, "dbname=postgres"))
			if err != nil {
				b.t.Fatal(err)
			}
			defer func() { _ = conn.Close(ctx) }()
			name := strings.TrimPrefix(database.FindString(b.direct), "dbname=")
			if _, err := conn.Exec(ctx, fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS %v", name, !away)); err != nil {
				b.t.Fatal(err)
			}
			if away {
				_, err = conn.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
				if err != nil {
					b.t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := boot(t, "--pg-query-timeout=3s", "--pg-acquire-timeout=3s")
			if b.postgres == nil {
				t.Skip("GATELAB_TEST_POSTGRES is set: a server that others use cannot be taken away")
			}
			b.service()
			b.eventually("the configuration arrives", func() bool { return b.get(b.proxy+"/ai/a").StatusCode == 200 })
			outage(b, true)
			b.eventually("the loss is logged", func() bool { return b.log.count("lost the connection that watches") == 1 })
			for i := range 20 {
				if r := b.bounded(b.proxy + "/ai/a"); r.StatusCode != 200 {
					t.Fatalf("request %d without Postgres: %d %s", i, r.StatusCode, r.text)
				}
				if r := b.bounded(b.status + "/health/ready"); r.StatusCode != 200 {
					t.Fatalf("a replica that serves its snapshot is not ready: %d %s", r.StatusCode, r.text)
				}
				if i%5 > 0 {
					continue // each may take the two time-outs
				}
				if r := b.bounded(b.admin + "/services"); r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
					t.Fatalf("the Admin API: %d %s", r.StatusCode, r.text)
				}
			}
			if name != "serves no client" {
				// Another replica goes on changing what this one cannot see.
				other, routes := b.elsewhere(), schema(t, "routes")
				svc, err := other.Select(t.Context(), schema(t, "services"), "ai-api", nil)
				if err != nil || svc == nil {
					t.Fatalf("%v %v", svc, err)
				}
				for _, path := range []string{"/one", "/two"} {
					rec, err := routes.ProcessInsert(entity.Record{"paths": []any{path}, "service": map[string]any{"id": svc["id"]}}, time.Now(), "")
					if err == nil {
						err = other.Insert(t.Context(), routes, rec, "other")
					}
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			outage(b, false)
			b.eventually("the return is logged", func() bool { return b.log.count("watching the configuration again") == 1 })
			if name != "serves no client" {
				b.eventually("what was changed meanwhile arrives", func() bool {
					return b.get(b.proxy+"/one").StatusCode == 200 && b.get(b.proxy+"/two").StatusCode == 200
				})
			}
			b.eventually("the Admin API is back", func() bool { return b.bounded(b.admin+"/services").StatusCode == 200 })
			if n := b.log.count("lost the connection that watches"); n != 1 {
				t.Errorf("one outage was logged %d times", n)
			}
		})
	}
}

func schema(t *testing.T, name string) *entity.Schema {
	t.Helper()
	s, ok := all.Plugins().Catalog().ByName(name)
	if !ok {
		t.Fatalf("no schema %s", name)
	}
	return s
}

func TestRedisOutagesCostNoRequest(t *testing.T) {
	for name, outage := range map[string]func(l *link, away bool){
		"killed": func(l *link, away bool) { l.set(away) },
		"paused": func(l *link, away bool) { l.hung.Store(away) },
		"slow": func(l *link, away bool) {
			l.delay.Store(0)
			if away {
				l.delay.Store(int64(time.Second))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := boot(t, "--redis-timeout=50ms", "--redis-dial-timeout=250ms", "--redis-break-for=200ms", "--redis-break-after=5")
			b.service()
			b.post("/plugins", "name=proxy-cache", "config.strategy=redis", "config.redis.host="+b.redisHost, "config.redis.port="+b.redisPort)
			b.post("/plugins", "name=rate-limiting", "config.minute=100000", "config.policy=redis",
				"config.redis_host="+b.redisHost, "config.redis_port="+b.redisPort)
			b.eventually("the configuration arrives", func() bool {
				r := b.get(b.proxy + "/ai/a")
				return r.StatusCode == 200 && r.Header.Get("X-Ratelimit-Limit-Minute") != "" && r.Header.Get("X-Cache-Status") != ""
			})
			up := `gateway_redis_up{address="` + b.redisHost + ":" + b.redisPort + `"}`
			b.eventually("Redis is up", func() bool { return b.metric(up) == 1 })
			outage(b.redis, true)
			b.flood(20, 15)
			if b.metric(up) != 0 {
				t.Error("after hundreds of requests the breaker is still closed")
			}
			waited := b.metric(`kind="timeout"`) + b.metric(`kind="connection"`)
			began := time.Now()
			b.flood(20, 15)
			n := b.metric(`kind="timeout"`) + b.metric(`kind="connection"`)
			// What had begun before may end now, and there is a probe every 200 ms,
			// however long 300 requests take.
			if most := 10 + float64(time.Since(began)/(200*time.Millisecond)); n-waited > most {
				t.Errorf("with an open breaker %v more calls waited for Redis, want %v at most", n-waited, most)
			}
			outage(b.redis, false)
			b.eventually("the cache is back", func() bool {
				b.get(b.proxy + "/ai/back")
				return b.metric(up) == 1 && b.get(b.proxy+"/ai/back").Header.Get("X-Cache-Status") == "Hit"
			})
		})
	}
}

var turn atomic.Int64

// flood has workers ask for new resources, each so many times; every answer
// must be the origin's.
func (b *testGateway) flood(workers, each int) {
	b.t.Helper()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				if r := b.get(fmt.Sprintf("%s/ai/%d", b.proxy, turn.Add(1))); r.StatusCode != http.StatusOK {
					b.t.Errorf("without Redis: %d %s", r.StatusCode, r.text)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		b.t.Fatal("requests pile up")
	}
}

// metric is the sum of the samples whose line contains text.
func (b *testGateway) metric(text string) (sum float64) {
	b.t.Helper()
	for line := range strings.Lines(b.get(b.status + "/metrics").text) {
		if !strings.HasPrefix(line, "#") && strings.Contains(line, text) {
			n, err := strconv.ParseFloat(line[strings.LastIndexByte(strings.TrimSpace(line), ' ')+1:len(line)-1], 64)
			if err != nil {
				b.t.Fatalf("%q: %v", line, err)
			}
			sum += n
		}
	}
	return sum
}
