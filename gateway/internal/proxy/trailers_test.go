package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// forbidden are fields that must not arrive as trailers, nor as anything else.
var forbidden = []string{"X-Consumer-Username", "Authorization", "Set-Cookie", "Content-Type", "X-Forwarded-For", "Apikey", "Host"}

func TestResponseTrailersPass(t *testing.T) {
	origin := server(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Both", "header")
		w.Header().Set("Trailer", "X-Announced, Authorization, X-Both")
		w.WriteHeader(200)
		_, _ = io.WriteString(w, "hello")
		w.Header().Set("X-Announced", "1")
		w.Header().Set("X-Both", "trailer")
		for _, name := range []string{"X-Sudden", "X-Consumer-Username", "Set-Cookie", "X-Kong-Upstream-Latency"} {
			w.Header().Set(http.TrailerPrefix+name, "2")
		}
	})
	g := start(t, Config{AccessLog: LogAll}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	secure, plain := "https://"+g.listen(t, Protocols{TLS: true, HTTP2: true}), "http://"+g.listen(t, Protocols{HTTP2: true})
	for name, c := range map[string]struct {
		client *http.Client
		url    string
	}{
		"HTTP/1.1": {http.DefaultClient, g.url}, "HTTP/2": {http2Client(t, true), secure}, "h2c": {http2Client(t, false), plain},
	} {
		res, err := c.client.Get(c.url)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || string(body) != "hello" {
			t.Errorf("%s: body %q, %v", name, body, err)
		}
		want := http.Header{"X-Announced": {"1"}, "X-Sudden": {"2"}, "X-Both": {"trailer"}}
		if fmt.Sprint(res.Trailer) != fmt.Sprint(want) {
			t.Errorf("%s: trailers %v, want %v", name, res.Trailer, want)
		}
		if res.Header.Get("X-Both") != "header" || res.Header.Get("X-Sudden") != "" || res.Header.Get("X-Announced") != "" {
			t.Errorf("%s: header %v", name, res.Header)
		}
	}
}

func TestRequestTrailersPass(t *testing.T) {
	seen := make(chan *http.Request, 1)
	origin := server(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		seen <- r
	})
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	secure := "https://" + g.listen(t, Protocols{TLS: true, HTTP2: true})
	for name, c := range map[string]struct {
		client *http.Client
		url    string
	}{"HTTP/1.1": {http.DefaultClient, g.url}, "HTTP/2": {http2Client(t, true), secure}} {
		req, _ := http.NewRequest(http.MethodPost, c.url, io.MultiReader(strings.NewReader("hello")))
		req.Header.Set("X-Both", "header")
		req.Trailer = http.Header{"X-Sum": {"1"}, "X-Both": {"trailer"}, "X-Consumer-Username": {"root"}}
		res, err := c.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		r := <-seen
		if want := (http.Header{"X-Sum": {"1"}, "X-Both": {"trailer"}}); fmt.Sprint(r.Trailer) != fmt.Sprint(want) {
			t.Errorf("%s: trailers %v, want %v", name, r.Trailer, want)
		}
		if r.Header.Get("X-Sum") != "" || fmt.Sprint(r.Header["X-Both"]) != "[header]" || r.Header.Get("X-Consumer-Username") != "" {
			t.Errorf("%s: header %v", name, r.Header)
		}
	}
	for _, name := range forbidden {
		conn, answer := rawExchange(t, g, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: "+name+
			", X-Ok\r\n\r\n1\r\na\r\n0\r\n"+name+": x\r\nX-Ok: 1\r\n\r\n")
		conn.Close()
		if strings.HasPrefix(answer, "HTTP/1.1 400") {
			continue // frames, or says who sent it: refused
		}
		r := <-seen
		if r.Header.Get(name) == "x" || r.Trailer.Get(name) != "" || r.Trailer.Get("X-Ok") != "1" {
			t.Errorf("%s: arrived: %v, trailers %v", name, r.Header, r.Trailer)
		}
	}
}

// TestRequestTrailersNeedNoAnnouncement over HTTP/2, where a client may find out
// what it has to say when the body has ended.
func TestRequestTrailersNeedNoAnnouncement(t *testing.T) {
	seen := make(chan *http.Request, 1)
	g, url := startHTTP2(t, Config{}, false, func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil { // else the request was refused for its trailers
			seen <- r
		}
	}, nil)
	client := dialHTTP2(t, url)
	send := func(stream uint32, fields ...string) string {
		client.ask(stream, false, postFields...)
		client.must(client.WriteData(stream, false, []byte("hello")))
		client.ask(stream, true, fields...)
		return client.next()
	}
	stream, fields := uint32(1), []string{"x-sum", "1", "x-sum", "2"}
	for _, name := range forbidden {
		if !framesOrForwards([]byte(name)) {
			fields = append(fields, strings.ToLower(name), "x")
			continue
		}
		if got := send(stream, strings.ToLower(name), "x"); got != "400" {
			t.Errorf("%s: %s", name, got)
		}
		stream += 2
	}
	if got := send(stream, fields...); got != "200" {
		t.Fatal(got)
	}
	r := <-seen
	if want := (http.Header{"X-Sum": {"1", "2"}}); fmt.Sprint(r.Trailer) != fmt.Sprint(want) {
		t.Errorf("trailers %v, want %v", r.Trailer, want)
	}
	for _, name := range append([]string{"X-Sum"}, forbidden...) {
		if v := r.Header.Get(name); v == "x" || v == "1" {
			t.Errorf("%s: %s is in the header", name, v)
		}
	}
	for n, want := range map[int]string{mostTrailers: "200", mostTrailers + 1: "400"} {
		fields = fields[:0]
		for range n {
			fields = append(fields, "a", "b")
		}
		stream += 2
		if got := send(stream, fields...); got != want {
			t.Errorf("%d trailers: %s, want %s", n, got, want)
		}
		if want == "200" {
			<-seen
		}
	}
	await(t, "all are answered", func() bool { return g.busy.Load() == 0 })
}

// rawExchange sends words and returns the first line that comes.
func rawExchange(t *testing.T, g *gateway, words string) (net.Conn, string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, words); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return conn, line
}

func TestTETrailersReachesTheUpstream(t *testing.T) {
	seen := make(chan http.Header, 1)
	origin := server(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header })
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	for te, want := range map[string]string{"trailers": "trailers", "gzip, trailers": "trailers", "gzip": "", "": ""} {
		var header []string
		if te != "" {
			header = []string{"TE", te}
		}
		get(t, g.url, header...)
		if h := <-seen; h.Get("TE") != want {
			t.Errorf("TE: %s reached the upstream as %q, want %q", te, h.Get("TE"), want)
		}
	}
}
