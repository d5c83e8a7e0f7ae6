package proxy

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// switcher is an origin that switches protocols and echoes, with or without TLS.
func switcher(t *testing.T, secure bool) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		// The first bytes come together with the answer.
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst;")
		_, _ = io.Copy(c, c)
	}))
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

// Messages of any length pass, over TLS and without it, also when they come together
// with the request or its answer.
func TestMessagesOfAnyLengthPassATunnel(t *testing.T) {
	for name, secure := range map[string]struct{ client, upstream bool }{
		"plain": {}, "TLS to the client": {client: true}, "TLS to the upstream": {upstream: true}, "TLS to both": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, Config{}, 4)
			to := config(switcher(t, secure.upstream).URL, entity.Route{Paths: []string{"/"}})
			if secure.upstream {
				to.Services[0].Protocol = "https"
			}
			g.apply(t, to)
			var c net.Conn
			if secure.client {
				c = dialTLS(t, g.listen(t, Protocols{TLS: true}), nil)
			} else {
				c = g.dial(t)
			}
			br := bufio.NewReader(c)
			res := ask(t, c, br, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nsecond;")
			if res.StatusCode != http.StatusSwitchingProtocols {
				t.Fatal(res.StatusCode)
			}
			for _, want := range []string{"first;", "second;"} {
				if got, err := br.ReadString(';'); got != want {
					t.Fatalf("got %q, want %q: %v", got, want, err)
				}
			}
			for _, n := range []int{1, smallMessage - 1, smallMessage, smallMessage + 1, 2 * smallMessage, 16<<10 - 1, 16 << 10, 16<<10 + 1,
				copyBufferSize, copyBufferSize + 1, 1 << 20} {
				passes(t, c, br, n)
			}
			c.Close()
		})
	}
}

// passes sends a message through a tunnel that echoes, and reads it back.
func passes(t *testing.T, c io.Writer, br io.Reader, n int) {
	t.Helper()
	message, back := make([]byte, n), make([]byte, n)
	_, _ = rand.Read(message)
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(message)
		sent <- err
	}()
	if _, err := io.ReadFull(br, back); err != nil || !bytes.Equal(back, message) {
		t.Fatalf("%d bytes were echoed as others: %v", n, err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}
