package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatelab/gatelab/internal/testenv"
)

// fleet is three replicas, as processes, with as many routes as a benchmark wants.
type fleet struct {
	b        *testing.B
	replicas []*process
	client   *http.Client
}

func startFleet(b *testing.B, routes int) *fleet {
	b.Helper()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	b.Cleanup(origin.Close)
	dsn := testenv.Postgres(b)
	f := &fleet{b: b, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: time.Minute}}
	b.Cleanup(f.client.CloseIdleConnections)
	path := filepath.Join(b.TempDir(), "kong.yml")
	if err := os.WriteFile(path, []byte(manyRoutes(routes, origin.URL)), 0o600); err != nil {
		b.Fatal(err)
	}
	var out strings.Builder
	if code := run([]string{"config", "import", path, "--pg-dsn=" + dsn}, nil, &out, &out); code != exitOK {
		b.Fatal(out.String())
	}
	for i := range 3 {
		p := startProcess(b, "--pg-dsn="+dsn, fmt.Sprintf("--node-name=gw-%d", i), "--pg-acquire-timeout=10s", "--admin-wait=0s",
			"--access-log=off", "--max-procs=2")
		f.replicas = append(f.replicas, p)
	}
	for _, p := range f.replicas {
		p.eventually("ready", func() bool { return f.status(p, "/r0/x") == 200 })
	}
	return f
}

// manyRoutes is a declarative file with a service for each ten routes, and a plugin
// for each hundred.
func manyRoutes(n int, origin string) string {
	var s strings.Builder
	s.WriteString("_format_version: \"3.0\"\nservices:\n")
	for i := range n {
		if i%10 == 0 {
			fmt.Fprintf(&s, "- name: s%d\n  url: %s\n", i/10, origin)
			if i%100 == 0 {
				s.WriteString("  plugins:\n  - name: correlation-id\n")
			}
			s.WriteString("  routes:\n")
		}
		fmt.Fprintf(&s, "  - name: r%d\n    paths: [/r%d]\n", i, i)
	}
	return s.String()
}

// status asks a replica's proxy; 0 is no response.
func (f *fleet) status(p *process, path string) int {
	res, err := f.client.Get("http://" + p.proxy + path)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res.StatusCode
}

// change makes a change through the Admin API of the first replica.
func (f *fleet) change(method, path string, body map[string]any) {
	f.b.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		f.b.Fatal(err)
	}
	req, err := http.NewRequestWithContext(f.b.Context(), method, "http://"+f.replicas[0].admin+path, bytes.NewReader(raw))
	if err != nil {
		f.b.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := f.client.Do(req)
	if err != nil {
		f.b.Fatal(err)
	}
	text, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if res.StatusCode >= 300 {
		f.b.Fatalf("%s %s: %d %s", method, path, res.StatusCode, text)
	}
}

// inEffect returns how long it takes from now until every replica answers a path with
// a status.
func (f *fleet) inEffect(path string, status int) time.Duration {
	began := time.Now()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var last time.Duration
	for _, p := range f.replicas {
		wg.Go(func() {
			for f.status(p, path) != status {
				if time.Since(began) > time.Minute {
					f.b.Errorf("%s is not %d after a minute", path, status)
					return
				}
				time.Sleep(time.Millisecond)
			}
			mu.Lock()
			defer mu.Unlock()
			last = max(last, time.Since(began))
		})
	}
	wg.Wait()
	return last
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantile sorts a list.
func quantile(list []time.Duration, q float64) time.Duration {
	slices.Sort(list)
	return list[min(len(list)-1, int(q*float64(len(list))))]
}

// BenchmarkChangeInEffect is the time from a response of the Admin API until the change
// is in effect on all of three replicas, alone (after a pause) and one after another:
// a route is created, changed and deleted.
func BenchmarkChangeInEffect(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		for _, pause := range []time.Duration{time.Second, 0} {
			name := fmt.Sprintf("routes=%d/%s", n, map[bool]string{true: "alone", false: "in-a-row"}[pause > 0])
			b.Run(name, func(b *testing.B) {
				f := startFleet(b, n)
				took := map[string][]time.Duration{}
				i := 0
				step := func(kind string, change func(), path string, status int) {
					time.Sleep(pause)
					change()
					took[kind] = append(took[kind], f.inEffect(path, status))
				}
				for b.Loop() {
					i++
					route := fmt.Sprintf("/routes/new-%d", i)
					first, second := fmt.Sprintf("/new-%d", i), fmt.Sprintf("/changed-%d", i)
					step("create", func() {
						f.change(http.MethodPost, "/services/s0/routes", map[string]any{"name": route[len("/routes/"):], "paths": []string{first}})
					}, first, 200)
					step("update", func() { f.change(http.MethodPatch, route, map[string]any{"paths": []string{second}}) }, second, 200)
					step("delete", func() { f.change(http.MethodDelete, route, nil) }, second, 404)
				}
				for kind, list := range took {
					b.ReportMetric(milliseconds(quantile(list, .5)), kind+"-ms")
					b.ReportMetric(milliseconds(quantile(list, 1)), kind+"-max-ms")
				}
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// traffic sends so many requests per second to the replicas in turn, for a time, and
// returns how long each took, counted from when it was due.
func (f *fleet) traffic(rate int, d time.Duration) []time.Duration {
	var mu sync.Mutex
	var all []time.Duration
	due := make(chan time.Time, rate)
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for at := range due {
				if code := f.status(f.replicas[w%len(f.replicas)], "/r0/x"); code != 200 {
					f.b.Errorf("status %d", code)
				}
				mu.Lock()
				all = append(all, time.Since(at))
				mu.Unlock()
			}
		})
	}
	began := time.Now()
	for i := range int(float64(rate) * d.Seconds()) {
		at := began.Add(time.Duration(i) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(at))
		due <- at
	}
	close(due)
	wg.Wait()
	return all
}

// toggle changes the path of one route, ten times per second, until ctx ends.
func (f *fleet) toggle(ctx context.Context, every time.Duration) (made int) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return made
		case <-tick.C:
			f.change(http.MethodPatch, "/routes/r1", map[string]any{"paths": []string{fmt.Sprintf("/changed-%d", made)}})
			made++
		}
	}
}

var residentLine = regexp.MustCompile(`(?m)^process_resident_memory_bytes (\S+)$`)

// resident is the largest resident memory of a replica, in MiB.
func (f *fleet) resident() (most float64) {
	for _, p := range f.replicas {
		_, text := p.get("http://" + p.status + "/metrics")
		if m := residentLine.FindStringSubmatch(text); m != nil {
			n, _ := strconv.ParseFloat(m[1], 64)
			most = max(most, n/(1<<20))
		}
	}
	return most
}

// BenchmarkTrafficUnderChanges is the p99 of traffic while there are ten changes per
// second, and while there are none, in turns; then the memory of a replica before and
// after a thousand changes.
func BenchmarkTrafficUnderChanges(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			const rate, rounds = 300, 5
			const slice = 3 * time.Second
			f := startFleet(b, n)
			f.traffic(rate, time.Second)
			before := f.resident()
			var without, with []float64
			for b.Loop() {
				for range rounds {
					without = append(without, milliseconds(quantile(f.traffic(rate, slice), .99)))
					ctx, stop := context.WithCancel(b.Context())
					var wg sync.WaitGroup
					wg.Go(func() { f.toggle(ctx, 100*time.Millisecond) })
					with = append(with, milliseconds(quantile(f.traffic(rate, slice), .99)))
					stop()
					wg.Wait()
				}
			}
			for i := range 1000 {
				f.change(http.MethodPatch, "/routes/r2", map[string]any{"paths": []string{fmt.Sprintf("/memory-%d", i)}})
			}
			f.inEffect("/memory-999", 200)
			slices.Sort(without)
			slices.Sort(with)
			b.ReportMetric(without[len(without)/2], "p99-ms")
			b.ReportMetric(with[len(with)/2], "p99-changes-ms")
			b.ReportMetric(with[len(with)/2]/without[len(without)/2], "p99-ratio")
			b.ReportMetric(before, "MiB")
			b.ReportMetric(f.resident(), "MiB-after-1000")
			b.ReportMetric(0, "ns/op")
		})
	}
}
