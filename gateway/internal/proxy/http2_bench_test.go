package proxy

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// asker is a client of HTTP/2 that costs as little as it can: its requests are bytes
// that only differ in the number of the stream.
type asker struct {
	b    *testing.B
	conn net.Conn
	br   *bufio.Reader
	ask  []byte // a HEADERS frame
	next uint32
}

func newAsker(b *testing.B, address string) *asker {
	b.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	a := &asker{b: b, conn: conn, br: bufio.NewReaderSize(conn, 64<<10), next: 1}
	var block frames
	enc := hpack.NewEncoder(&block)
	enc.SetMaxDynamicTableSize(0) // so that all requests are the same
	for _, f := range [][2]string{
		{":method", "GET"}, {":scheme", "http"}, {":authority", "gateway.example"}, {":path", "/ai/v1/models/17?fields=all"},
		{"user-agent", "bench"}, {"accept", "application/json"}, {"accept-encoding", "gzip"}, {"apikey", "secret-key"},
	} {
		_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	var hello, ask frames
	hello = append(hello, http2.ClientPreface...)
	f := http2.NewFramer(&hello, nil)
	_ = f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
	_ = f.WriteWindowUpdate(0, 1<<30)
	_ = f.WriteSettingsAck()
	f = http2.NewFramer(&ask, nil)
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndStream: true, EndHeaders: true})
	a.ask = ask
	if _, err := conn.Write(hello); err != nil {
		b.Fatal(err)
	}
	return a
}

// frames collects what is written.
type frames []byte

func (f *frames) Write(b []byte) (int, error) {
	*f = append(*f, b...)
	return len(b), nil
}

func (a *asker) send() {
	binary.BigEndian.PutUint32(a.ask[5:], a.next)
	a.next += 2
	if _, err := a.conn.Write(a.ask); err != nil {
		a.b.Fatal(err)
	}
}

// receive reads to the end of the next answer.
func (a *asker) receive() {
	for {
		head, err := a.br.Peek(9)
		if err != nil {
			a.b.Fatal(err)
		}
		n := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
		kind, flags := http2.FrameType(head[3]), http2.Flags(head[4])
		if _, err := a.br.Discard(9 + n); err != nil {
			a.b.Fatal(err)
		}
		switch {
		case kind == http2.FrameRSTStream || kind == http2.FrameGoAway:
			a.b.Fatal(kind)
		case kind == http2.FrameData && flags.Has(http2.FlagDataEndStream):
			return
		}
	}
}

// BenchmarkHTTP2 is BenchmarkForwarded for a client of HTTP/2, over a connection, with as
// many requests at a time.
func BenchmarkHTTP2(b *testing.B) {
	for _, streams := range []int{1, 100} {
		b.Run(fmt.Sprint(streams), func(b *testing.B) { benchmarkHTTP2(b, streams) })
	}
}

func benchmarkHTTP2(b *testing.B, streams int) {
	c := config("http://"+answerer(b), entity.Route{Paths: []string{"/ai"}})
	c.Services[0].ReadTimeout, c.Services[0].WriteTimeout = 60000, 60000
	p, _ := benchmarked(b, c)
	s := NewServer(p, ServerConfig{
		MaxHeaderBytes: 16 << 10, IdleTimeout: time.Minute, ReadTimeout: time.Minute, BodyRate: 240, WriteTimeout: time.Minute, ResponseRate: 240,
	}, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = s.ServeProtocols(ln, Protocols{HTTP2: true}) }()
	defer func() { _ = s.Shutdown(b.Context()) }()
	a := newAsker(b, ln.Addr().String())
	for range streams {
		a.send()
	}
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		a.receive()
		a.send()
	}
	b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op") // of client and upstream as well
	b.StopTimer()
	for range streams {
		a.receive()
	}
	a.conn.Close()
}

// cpuTime is what the process has used: a busy machine makes requests slower, and
// hardly dearer.
func cpuTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
