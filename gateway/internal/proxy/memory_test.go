//go:build !race

package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Memory is measured without the race detector, with which a tunnel was within its bound in
// one run and took 51 KB in another. CI runs these tests with those of allocations.
//
// What is idle is counted with the peers' ends, at about a kilobyte each.
const (
	idleBytes      = 12 << 10 // for a connection: 3.7 KiB were seen
	tunnelBytes    = 32 << 10 // for a tunnel: 16 KiB were seen
	tlsTunnelBytes = 56 << 10 // for one over TLS: 29.5 KiB were seen, of which a part is the client's TLS
)

// inUse is what is alive in the process. Spans of the heap that are not full are not
// counted: how full they are depends on what ran before, and on the scheduler.
func inUse() int64 {
	for range 3 { // the first two empty the pools
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// leastOf is the least of up to three measurements: what is left of serving can only
// add to what is idle. It ends with the first one that is at most enough.
func leastOf(t *testing.T, enough float64, measure func(t *testing.T) float64) float64 {
	t.Helper()
	least := math.Inf(1)
	for i := range 3 {
		// A gateway must have ended before the next begins: each test looks for goroutines that are left.
		t.Run(fmt.Sprint("measurement ", i+1), func(t *testing.T) { least = min(least, measure(t)) })
		if least <= enough || t.Failed() {
			break
		}
	}
	return least
}

func TestAnIdleConnectionNeedsLittleMemory(t *testing.T) {
	origin := server(t, func(http.ResponseWriter, *http.Request) {})
	least := leastOf(t, idleBytes, func(t *testing.T) float64 {
		g := start(t, Config{}, 4)
		g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
		return idleMemory(t, g, 1000)
	})
	t.Logf("%.0f bytes for an idle connection", least)
	if least > idleBytes {
		t.Errorf("more than %d", idleBytes)
	}
}

// idleMemory is what the process needs for each of n kept connections that have asked
// for something.
func idleMemory(t *testing.T, g *gateway, n int) float64 {
	t.Helper()
	// The codec keeps the goroutines of those that it serves at a time for 10 s.
	const atATime = 50
	br := bufio.NewReader(nil)
	begin := inUse()
	for done := 0; done < n; done += atATime {
		batch := make([]*net.TCPConn, atATime)
		for i := range batch {
			batch[i] = g.dial(t)
			send(t, batch[i], oneRequest)
		}
		for _, c := range batch {
			br.Reset(c)
			res, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
		}
		await(t, "all are parked", func() bool { return g.clients.parked.Load() == int64(done+atATime) })
	}
	return float64(inUse()-begin) / float64(n)
}

func TestAnIdleTunnelNeedsLittleMemory(t *testing.T) {
	for scheme, most := range map[string]float64{"http": tunnelBytes, "https": tlsTunnelBytes} {
		t.Run(scheme, func(t *testing.T) {
			address := echoServer(t)
			least := leastOf(t, most, func(t *testing.T) float64 {
				g := start(t, Config{}, 4)
				g.apply(t, config("http://"+address, entity.Route{Paths: []string{"/"}}))
				if scheme == "http" {
					return tunnelMemory(t, g, func() net.Conn { return g.dial(t) }, 300)
				}
				secure := g.listen(t, Protocols{TLS: true})
				return tunnelMemory(t, g, func() net.Conn { return dialTLS(t, secure, nil) }, 300)
			})
			t.Logf("%.0f bytes for an idle tunnel", least)
			if least > most {
				t.Errorf("more than %.0f", most)
			}
		})
	}
}

// tunnelMemory is what the process needs for each of n tunnels, through which a message
// has passed each way. They are opened one after the other, so that nothing else is kept.
func tunnelMemory(t *testing.T, g *gateway, dial func() net.Conn, n int) float64 {
	t.Helper()
	b := make([]byte, 4<<10)
	begin := inUse()
	for range n {
		c := dial()
		openRaw(t, c, b)
		echoed(t, c, bytes.Repeat([]byte("message;"), 100), b)
	}
	if open := testutil.ToFloat64(g.tunnels.open); open != float64(n) {
		t.Fatalf("%v tunnels are open", open)
	}
	return float64(inUse()-begin) / float64(n)
}

// openRaw opens a tunnel without a buffer that would stay with it.
func openRaw(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	send(t, c, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	if head, err := readHead(c, b); err != nil || !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		t.Fatalf("answered %q: %v", head, err)
	}
}

// echoed sends a message through a tunnel and reads it back.
func echoed(t *testing.T, c net.Conn, message, b []byte) {
	t.Helper()
	if _, err := c.Write(message); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, b[:len(message)]); err != nil || !bytes.Equal(b[:len(message)], message) {
		t.Fatalf("%d bytes were echoed as others: %v", len(message), err)
	}
}

func readHead(c net.Conn, b []byte) (string, error) {
	for n := 0; ; {
		got, err := c.Read(b[n:])
		n += got
		if bytes.HasSuffix(b[:n], []byte("\r\n\r\n")) || err != nil {
			return string(b[:n]), err
		}
	}
}

// echoServer switches protocols and echoes one message of each connection, which it then
// keeps. It serves one at a time, and holds no buffers for them.
func echoServer(t *testing.T) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var all []net.Conn
		defer func() {
			for _, c := range all {
				c.Close()
			}
		}()
		b := make([]byte, 4<<10)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all = append(all, c)
			_ = c.SetDeadline(time.Now().Add(30 * time.Second))
			if _, err := readHead(c, b); err != nil {
				continue
			}
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			if n, err := io.ReadAtLeast(c, b, 800); err == nil {
				_, _ = c.Write(b[:n])
			}
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return ln.Addr().String()
}
