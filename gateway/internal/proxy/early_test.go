package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

func TestAnUploadMayTakeItsTime(t *testing.T) {
	release := make(chan struct{}, 10)
	origin := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-release
		}
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	})
	g := startServer(t, Config{}, limits(func(c *ServerConfig) { c.ReadTimeout, c.BodyRate = 2*pause, 100_000 }), 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	const size = 16 << 20 // more than the buffers on the way take
	t.Run("the upstream is slow", func(t *testing.T) {
		client := g.dial(t)
		send(t, client, fmt.Sprintf("POST /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", size))
		time.AfterFunc(8*pause, func() { release <- struct{}{} })
		if _, err := io.CopyN(client, zeros{}, size); err != nil {
			t.Fatal(err)
		}
		if answer, _ := ended(t, client); !strings.HasSuffix(answer, fmt.Sprint(size, " <nil>")) {
			t.Errorf("answered %q", answer)
		}
	})
	t.Run("the client keeps the pace", func(t *testing.T) {
		client := g.dial(t)
		send(t, client, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
		chunk := "2000\r\n" + strings.Repeat("a", 0x2000) + "\r\n"
		for range 30 { // 1.6 MB/s, for far longer than a pause may last
			time.Sleep(pause / 4)
			send(t, client, chunk)
		}
		send(t, client, "0\r\n\r\n")
		if answer, _ := ended(t, client); !strings.Contains(answer, fmt.Sprint(30*0x2000, " <nil>")) {
			t.Errorf("answered %q", answer)
		}
	})
	count(t, g.clients.metrics.body, 0)
}

func TestTheAnswerArrivesThoughTheBodyIsStillComing(t *testing.T) {
	origin := server(t, func(http.ResponseWriter, *http.Request) {})
	g := startServer(t, Config{MaxBodyBytes: 4 << 20}, limits(func(c *ServerConfig) { c.MaxConnections = 100 }), 4)
	keyAuth := entity.Plugin{ID: "p", Name: "key-auth", Enabled: true,
		Config: map[string]any{"key_names": []any{"apikey"}, "key_in_header": true, "run_on_preflight": true}}
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}, keyAuth))
	for _, c := range []struct {
		head string
		size int
		want string
	}{
		{head: "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n", size: 100000, want: "401"},
		{head: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n", size: 4000000, want: "401"},
		{head: "POST / HTTP/1.0\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n", size: 4000000, want: "401"},
		{head: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 40000000\r\n\r\n", size: 40000000, want: "413"},
		{head: "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2000000\r\n", size: 0x2000000, want: "401"},
		{head: "POST / HTTP/1.1\r\nHost : x\r\nContent-Length: 4000000\r\n\r\n", size: 4000000, want: "400"},
		{head: "GET / HTTP/1.1\r\nHost: x\r\nX-A: ", size: 4000000, want: "431"},
		{head: "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", size: 4000000, want: "401"},
	} {
		client := g.dial(t)
		send(t, client, c.head)
		_, _ = io.CopyN(client, zeros{}, int64(c.size)) // all of it before reading, as many clients do
		answer, err := io.ReadAll(client)
		if !bytes.HasPrefix(answer, []byte("HTTP/1.1 "+c.want)) || err != nil {
			t.Errorf("%q and %d bytes: %.100q, %v", c.head, c.size, answer, err)
		}
	}
}

func TestAClientThatEndsItsDirectionIsGone(t *testing.T) {
	canceled := make(chan struct{})
	origin := server(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(canceled)
	})
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	client := g.dial(t)
	send(t, client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	_ = client.CloseWrite()
	if answer, _ := ended(t, client); !strings.HasPrefix(answer, "HTTP/1.1 499 ") {
		t.Errorf("answered %q", answer)
	}
	waitEnded(t, canceled)
}

func TestAnOldClientSeesThatABodyBrokeOff(t *testing.T) {
	origin := startPeer(t, func(c net.Conn, _ *http.Request, _ int64) bool {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		return false
	})
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
	client := g.dial(t)
	send(t, client, "GET / HTTP/1.0\r\nHost: x\r\n\r\n")
	if answer, err := io.ReadAll(client); err == nil {
		t.Errorf("got %q as if it were whole", answer)
	}
}
