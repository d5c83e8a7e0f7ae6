package load

import (
	"bufio"
	"bytes"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
)

func planOf(t testing.TB, a Attack) *plan {
	t.Helper()
	a.Target, a.Model, a.Connections, a.Duration = "http://lb:8000", Closed, 1, time.Second
	p, err := newPlan(a)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRequestsOnTheWire(t *testing.T) {
	for _, row := range []struct {
		what string
		req  Request
		want string
	}{
		{"a plain GET", Request{Path: "/v1/models"}, "GET /v1/models HTTP/1.1\r\nHost: lb:8000\r\nUser-Agent: gatelab\r\n\r\n"},
		{"an id in the path", Request{Path: "/m/{id}/x?n={id}", IDs: 1}, "GET /m/1/x?n=1 HTTP/1.1\r\nHost: lb:8000\r\nUser-Agent: gatelab\r\n\r\n"},
		{"headers, the same each time", Request{Path: "/", Header: map[string]string{"X-B": "2", "x-a": "1", "user-agent": "me", "host": "example.test"}},
			"GET / HTTP/1.1\r\nHost: example.test\r\nX-B: 2\r\nuser-agent: me\r\nx-a: 1\r\n\r\n"},
		{"a body and its length", Request{Method: "POST", Path: "/c", Body: `{"id":{id}}`, IDs: 1},
			"POST /c HTTP/1.1\r\nHost: lb:8000\r\nUser-Agent: gatelab\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{\"id\":1}"},
		{"a body's placeholder without ids is text", Request{Method: "POST", Path: "/c", Body: `{id}`, Header: map[string]string{"Content-Type": "text/plain"}},
			"POST /c HTTP/1.1\r\nHost: lb:8000\r\nContent-Type: text/plain\r\nUser-Agent: gatelab\r\nContent-Length: 4\r\n\r\n{id}"},
		{"a POST without a body says so", Request{Method: "POST", Path: "/c"}, "POST /c HTTP/1.1\r\nHost: lb:8000\r\nUser-Agent: gatelab\r\nContent-Length: 0\r\n\r\n"},
	} {
		row.req.Name = "it"
		p := planOf(t, Attack{Requests: []Request{row.req}})
		random := newStream(1, 1)
		if got := string(p.append(nil, p.draw(&random))); got != row.want {
			t.Errorf("%s:\n%q, want\n%q", row.what, got, row.want)
		}
	}
}

func TestLengthsFitIDs(t *testing.T) {
	p := planOf(t, Attack{Requests: []Request{{Name: "it", Method: "POST", Path: "/{id}", Body: "<{id}|{id}>", IDs: 12_345}},
		Consumers: []ConsumerGroup{{Name: "g", Keys: []string{"secret"}}}})
	random := newStream(3, 0)
	for range 2000 {
		d := p.draw(&random)
		q, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(p.append(nil, d))))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Fatalf("id %d: %v", d.id, err)
		}
		id := strings.TrimPrefix(q.URL.Path, "/")
		if string(body) != "<"+id+"|"+id+">" || q.Header.Get("apikey") != "secret" {
			t.Fatalf("%s %q %v", q.URL.Path, body, q.Header)
		}
	}
}

func TestDrawsFollowTheWeights(t *testing.T) {
	p := planOf(t, Attack{
		Consumers: []ConsumerGroup{{Name: "steady", Keys: []string{"a", "b"}, Weight: 97}, {Name: "flood", Keys: []string{"c"}, Weight: 3}},
		Requests: []Request{
			{Name: "model", Path: "/m/{id}", Weight: 90, IDs: 500, Zipf: 1.1},
			{Name: "chat", Method: "POST", Path: "/chat", Weight: 10, Consumers: []string{"flood"}},
			{Name: "never", Path: "/never"},
		},
	})
	const n = 200_000
	random := newStream(42, 7)
	var chat, never, floodModel, keyA, first, second float64
	for range n {
		d := p.draw(&random)
		switch d.req.Name {
		case "chat":
			chat++
			if p.key(d) != "c" {
				t.Fatalf("chat is sent with key %q", p.key(d))
			}
			if d.id != 0 {
				t.Fatalf("chat has id %d", d.id)
			}
		case "never":
			never++
		case "model":
			if d.id < 1 || d.id > 500 {
				t.Fatalf("id %d", d.id)
			}
			switch d.id {
			case 1:
				first++
			case 2:
				second++
			}
			switch p.key(d) {
			case "c":
				floodModel++
			case "a":
				keyA++
			}
		}
	}
	// 1/H(500, 1.1) is id 1's share.
	var h float64
	for i := 1; i <= 500; i++ {
		h += math.Pow(float64(i), -1.1)
	}
	for _, c := range []struct {
		what      string
		got, want float64
	}{
		{"chat", chat, 0.1 * n}, {"never", never, 0}, {"models by flood", floodModel, 0.9 * 0.03 * n}, {"models with key a", keyA, 0.9 * 0.97 / 2 * n},
		{"id 1", first, 0.9 * n / h}, {"id 2", second, 0.9 * n / h * math.Pow(2, -1.1)},
	} {
		// Five standard deviations: one such test in two million fails by chance.
		if math.Abs(c.got-c.want) > 5*math.Sqrt(c.want) {
			t.Errorf("%s: %.0f, want about %.0f", c.what, c.got, c.want)
		}
	}
}

func TestDrawsRepeatWithTheSeed(t *testing.T) {
	p := planOf(t, Attack{Requests: []Request{{Name: "m", Path: "/{id}", IDs: 1000}}})
	seq := func(seed, n uint64) string {
		random := newStream(seed, n)
		var b strings.Builder
		for range 20 {
			b.Write(p.append(nil, p.draw(&random)))
		}
		return b.String()
	}
	if first, again := seq(1, 1), seq(1, 1); first != again {
		t.Error("the same seed draws otherwise")
	}
	if seq(1, 1) == seq(2, 1) || seq(1, 1) == seq(1, 2) {
		t.Error("another seed or connection draws the same")
	}
}

func TestDrawingDoesNotAllocate(t *testing.T) {
	p := planOf(t, Attack{
		Consumers: []ConsumerGroup{{Name: "g", Keys: []string{"a", "b", "c"}, Weight: 1}},
		Requests:  []Request{{Name: "m", Path: "/m/{id}", Weight: 1, IDs: 500, Zipf: 1.1}, {Name: "c", Method: "POST", Path: "/c", Body: "{id}", IDs: 3, Weight: 1}},
	})
	random := newStream(1, 1)
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(1000, func() { buf = p.append(buf[:0], p.draw(&random)) }); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

func TestChooser(t *testing.T) {
	for _, row := range []struct {
		what    string
		weights []float64
		u       float64
		want    int
	}{
		{"the first of two", []float64{1, 3}, 0.2499, 0},
		{"the second begins at a quarter", []float64{1, 3}, 0.25, 1},
		{"the very end", []float64{1, 3}, math.Nextafter(1, 0), 1},
		{"the end never falls on a weight of 0", []float64{1, 0}, math.Nextafter(1, 0), 0},
		{"the beginning neither", []float64{0, 1}, 0, 1},
		{"no weights at all", []float64{0, 0}, 0.6, 1},
	} {
		if got := newChooser(row.weights).index(row.u); got != row.want {
			t.Errorf("%s: %d, want %d", row.what, got, row.want)
		}
	}
	// The end of each table, where rounding would run over.
	for n := 1; n < 2000; n++ {
		c := newChooser(zipfWeights(n, 1.1))
		if got := c.index(math.Nextafter(1, 0)); got != n-1 {
			t.Fatalf("of %d the end falls on %d", n, got)
		}
	}
}

func TestValidate(t *testing.T) {
	good := func() Attack {
		return Attack{Model: Closed, Target: "http://127.0.0.1:1", Connections: 1, Duration: time.Second,
			Requests: []Request{{Name: "a", Path: "/"}}, Consumers: []ConsumerGroup{{Name: "g", Keys: []string{"k"}}}}
	}
	if err := good().Validate(); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		want   string
		change func(*Attack)
	}{
		{"target", func(a *Attack) { a.Target = "https://127.0.0.1" }},
		{"target", func(a *Attack) { a.Target = "http://127.0.0.1/path" }},
		{"model", func(a *Attack) { a.Model = "wide" }},
		{"connections", func(a *Attack) { a.Connections = 0 }},
		{"rate", func(a *Attack) { a.Model = Open }},
		{"rate", func(a *Attack) { a.Model, a.Rate = Open, math.NaN() }},
		{"duration", func(a *Attack) { a.Duration = 0 }},
		{"warmup", func(a *Attack) { a.Warmup = -1 }},
		{"timeout", func(a *Attack) { a.Timeout = -1 }},
		{"sample_every", func(a *Attack) { a.SampleEvery = -1 }},
		{"requests", func(a *Attack) { a.Requests = nil }},
		{"requests[0].name", func(a *Attack) { a.Requests[0].Name = "" }},
		{"requests[1].name", func(a *Attack) { a.Requests = append(a.Requests, a.Requests[0]) }},
		{"requests[0].path", func(a *Attack) { a.Requests[0].Path = "models" }},
		{"requests[0].path", func(a *Attack) { a.Requests[0].Path = "/a\r\nX: y" }},
		{"requests[0].method", func(a *Attack) { a.Requests[0].Method = "GET /" }},
		{"requests[0].ids", func(a *Attack) { a.Requests[0].Path = "/{id}" }},
		{"requests[0].weight", func(a *Attack) { a.Requests[0].Weight = math.Inf(1) }},
		{"requests[0].zipf", func(a *Attack) { a.Requests[0].Zipf = -1 }},
		{"requests[0].header", func(a *Attack) { a.Requests[0].Header = map[string]string{"A": "b\nc"} }},
		{"requests[0].header", func(a *Attack) { a.Requests[0].Header = map[string]string{"content-length": "5"} }},
		{"requests[0].consumers", func(a *Attack) { a.Requests[0].Consumers = []string{"nobody"} }},
		{"requests[0].expect", func(a *Attack) { a.Requests[0].Expect = []int{600} }},
		{"consumers[0].keys", func(a *Attack) { a.Consumers[0].Keys = nil }},
		{"consumers[0].keys", func(a *Attack) { a.Consumers[0].Keys = []string{"a\r\nb"} }},
		{"consumers[1].name", func(a *Attack) { a.Consumers = append(a.Consumers, a.Consumers[0]) }},
	} {
		a := good()
		row.change(&a)
		if err := a.Validate(); err == nil || !strings.HasPrefix(err.Error(), row.want) {
			t.Errorf("%v, want an error about %s", err, row.want)
		}
	}
}
