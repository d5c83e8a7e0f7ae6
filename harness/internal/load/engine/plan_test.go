package engine

import (
	"bufio"
	"bytes"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
)

func planOf(t testing.TB, a load.Attack) *plan {
	t.Helper()
	a.Target = "http://lb:8000"
	a.Model = load.Closed
	a.Connections = 1
	a.Duration = time.Second
	p, err := newPlan(a)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRequestsOnTheWire(t *testing.T) {
	for _, row := range []struct {
		name string
		req  load.Request
		want string
	}{
		{name: "a plain GET", req: load.Request{Path: "/v1/models"},
			want: "GET /v1/models HTTP/1.1\r\nHost: lb:8000\r\nUser-Agent: gatelab\r\n\r\n"},
		{name: "an id in the path", req: load.Request{Path: "/m/{id}/x?n={id}", IDs: 1},
			want: "GET /m/1/x?n=1 HTTP/1.1\r\nHost: lb:8000\r\nUser-Agent: gatelab\r\n\r\n"},
		{name: "headers, the same each time", req: load.Request{Path: "/",
			Header: map[string]string{"X-B": "2", "x-a": "1", "user-agent": "me", "host": "example.test"}},
			want: "GET / HTTP/1.1\r\nHost: example.test\r\nX-B: 2\r\nuser-agent: me\r\nx-a: 1\r\n\r\n"},
		{name: "a body and its length", req: load.Request{Method: "POST", Path: "/c", Body: `{"id":{id}}`, IDs: 1},
			want: "POST /c HTTP/1.1\r\nHost: lb:8000\r\nUser-Agent: gatelab\r\n" +
				"Content-Type: application/json\r\nContent-Length: 8\r\n\r\n{\"id\":1}"},
		{name: "a body's placeholder without ids is text", req: load.Request{Method: "POST", Path: "/c", Body: `{id}`,
			Header: map[string]string{"Content-Type": "text/plain"}},
			want: "POST /c HTTP/1.1\r\nHost: lb:8000\r\nContent-Type: text/plain\r\nUser-Agent: gatelab\r\nContent-Length: 4\r\n\r\n{id}"},
		{name: "a POST without a body says so", req: load.Request{Method: "POST", Path: "/c"},
			want: "POST /c HTTP/1.1\r\nHost: lb:8000\r\nUser-Agent: gatelab\r\nContent-Length: 0\r\n\r\n"},
	} {
		row.req.Name = "it"
		p := planOf(t, load.Attack{Requests: []load.Request{row.req}})
		random := newStream(1, 1)
		if got := string(p.append(nil, p.draw(&random))); got != row.want {
			t.Errorf("%s:\n%q, want\n%q", row.name, got, row.want)
		}
	}
}

func TestLengthsFitIDs(t *testing.T) {
	p := planOf(t, load.Attack{Requests: []load.Request{{Name: "it", Method: "POST", Path: "/{id}", Body: "<{id}|{id}>", IDs: 12_345}},
		Consumers: []load.ConsumerGroup{{Name: "g", Keys: []string{"secret"}}}})
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
	p := planOf(t, load.Attack{
		Consumers: []load.ConsumerGroup{{Name: "steady", Keys: []string{"a", "b"}, Weight: 97}, {Name: "flood", Keys: []string{"c"}, Weight: 3}},
		Requests: []load.Request{
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
		name      string
		got, want float64
	}{
		{name: "chat", got: chat, want: 0.1 * n}, {name: "never", got: never},
		{name: "models by flood", got: floodModel, want: 0.9 * 0.03 * n}, {name: "models with key a", got: keyA, want: 0.9 * 0.97 / 2 * n},
		{name: "id 1", got: first, want: 0.9 * n / h}, {name: "id 2", got: second, want: 0.9 * n / h * math.Pow(2, -1.1)},
	} {
		// Five standard deviations: one such test in two million fails by chance.
		if math.Abs(c.got-c.want) > 5*math.Sqrt(c.want) {
			t.Errorf("%s: %.0f, want about %.0f", c.name, c.got, c.want)
		}
	}
}

func TestDrawsRepeatWithTheSeed(t *testing.T) {
	p := planOf(t, load.Attack{Requests: []load.Request{{Name: "m", Path: "/{id}", IDs: 1000}}})
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
	p := planOf(t, load.Attack{
		Consumers: []load.ConsumerGroup{{Name: "g", Keys: []string{"a", "b", "c"}, Weight: 1}},
		Requests: []load.Request{{Name: "m", Path: "/m/{id}", Weight: 1, IDs: 500, Zipf: 1.1},
			{Name: "c", Method: "POST", Path: "/c", Body: "{id}", IDs: 3, Weight: 1}},
	})
	random := newStream(1, 1)
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(1000, func() { buf = p.append(buf[:0], p.draw(&random)) }); n != 0 {
		t.Errorf("%v allocations per request", n)
	}
}

func TestChooser(t *testing.T) {
	for _, row := range []struct {
		name    string
		weights []float64
		u       float64
		want    int
	}{
		{name: "the first of two", weights: []float64{1, 3}, u: 0.2499},
		{name: "the second begins at a quarter", weights: []float64{1, 3}, u: 0.25, want: 1},
		{name: "the very end", weights: []float64{1, 3}, u: math.Nextafter(1, 0), want: 1},
		{name: "the end never falls on a weight of 0", weights: []float64{1, 0}, u: math.Nextafter(1, 0)},
		{name: "the beginning neither", weights: []float64{0, 1}, want: 1},
		{name: "no weights at all", weights: []float64{0, 0}, u: 0.6, want: 1},
	} {
		if got := newChooser(row.weights).index(row.u); got != row.want {
			t.Errorf("%s: %d, want %d", row.name, got, row.want)
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
