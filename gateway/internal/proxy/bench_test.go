package proxy

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/all"
	"github.com/gatelab/gatelab/gateway/internal/upstream"
)

// benchmarked is a proxy that is called without a listener.
func benchmarked(b *testing.B, c *entity.Config) (*Proxy, *fasthttp.RequestCtx) {
	b.Helper()
	pools := upstream.NewPools(upstream.Config{Keepalive: 128}, nil)
	reg := prometheus.NewRegistry()
	p := New(Config{AccessLog: LogOff, NodeName: "gw-1", NodeHeader: true},
		&plugin.Deps{Plugins: all.Plugins(), Registerer: reg, Log: slog.New(slog.DiscardHandler)}, pools, reg, slog.New(slog.DiscardHandler))
	b.Cleanup(func() { p.Close(); pools.Close() })
	if err := p.Apply(c); err != nil {
		b.Fatal(err)
	}
	near, far := net.Pipe()
	b.Cleanup(func() { near.Close(); far.Close() })
	ctx := &fasthttp.RequestCtx{}
	ctx.Init2(addressedConn{near}, nil, false)
	return p, ctx
}

// benchRequest is the request of the benchmarks as it comes over a connection. It is
// parsed anew each time: the proxy changes it in place.
type benchRequest struct {
	bytes *bytes.Reader
	br    *bufio.Reader
}

func newBenchRequest() *benchRequest {
	r := bytes.NewReader([]byte("GET /ai/v1/models/17?fields=all HTTP/1.1\r\nHost: gateway.example\r\nUser-Agent: bench\r\n" +
		"Accept: application/json\r\nAccept-Encoding: gzip\r\nApikey: secret-key\r\n\r\n"))
	return &benchRequest{r, bufio.NewReader(r)}
}

func (a *benchRequest) parse(b *testing.B, ctx *fasthttp.RequestCtx) {
	_, _ = a.bytes.Seek(0, io.SeekStart)
	a.br.Reset(a.bytes)
	if err := ctx.Request.Header.Read(a.br); err != nil {
		b.Fatal(err)
	}
	ctx.Response.Reset()
}

// addressedConn is a connection that has an address.
type addressedConn struct{ net.Conn }

func (addressedConn) RemoteAddr() net.Addr { return clientAddr }
func (addressedConn) LocalAddr() net.Addr  { return listenAddr }

var (
	clientAddr = &net.TCPAddr{IP: net.IPv4(10, 0, 0, 7), Port: 40000}
	listenAddr = &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 8000}
)

// BenchmarkAnswered is a request that a plugin answers: what a cache hit costs
// beside the cache itself.
func BenchmarkAnswered(b *testing.B) {
	c := config("http://127.0.0.1:1", entity.Route{Paths: []string{"/ai"}}, entity.Plugin{ID: "p", Name: "key-auth", Enabled: true,
		Config: map[string]any{"key_names": []any{"other"}, "key_in_header": true, "run_on_preflight": true}})
	p, ctx := benchmarked(b, c)
	asked := newBenchRequest()
	b.ReportAllocs()
	for b.Loop() {
		asked.parse(b, ctx)
		p.Handler(ctx)
		if ctx.Response.StatusCode() != 401 {
			b.Fatal(ctx.Response.StatusCode())
		}
	}
}

// answerer is an upstream on the loopback that answers at once.
func answerer(b *testing.B) (address string) {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { ln.Close() })
	go func() {
		answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"id\": \"one\"}")
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				br := bufio.NewReader(c)
				for {
					line, err := br.ReadSlice('\n')
					if err != nil {
						return
					}
					if len(line) == 2 {
						_, _ = c.Write(answer)
					}
				}
			}()
		}
	}()
	return ln.Addr().String()
}

// BenchmarkForwarded is a request to an upstream on the loopback that answers
// at once, on a kept connection.
func BenchmarkForwarded(b *testing.B) {
	c := config("http://"+answerer(b), entity.Route{Paths: []string{"/ai"}})
	c.Services[0].ReadTimeout, c.Services[0].WriteTimeout = 60000, 60000
	p, ctx := benchmarked(b, c)
	asked := newBenchRequest()
	b.ReportAllocs()
	for b.Loop() {
		asked.parse(b, ctx)
		p.Handler(ctx)
		if ctx.Response.StatusCode() != http.StatusOK {
			b.Fatal(ctx.Response.String())
		}
	}
}

// BenchmarkServed is the same as BenchmarkAnswered over a connection.
func BenchmarkServed(b *testing.B) {
	c := config("http://127.0.0.1:1", entity.Route{Paths: []string{"/ai"}}, entity.Plugin{ID: "p", Name: "key-auth", Enabled: true,
		Config: map[string]any{"key_names": []any{"other"}, "key_in_header": true, "run_on_preflight": true}})
	p, _ := benchmarked(b, c)
	s := NewServer(p, ServerConfig{
		MaxHeaderBytes: 16 << 10, IdleTimeout: time.Minute, ReadTimeout: time.Minute, BodyRate: 240, WriteTimeout: time.Minute, ResponseRate: 240,
	}, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = s.Serve(ln) }()
	defer func() { _ = s.Shutdown(b.Context()) }()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	br := bufio.NewReader(client)
	ask := []byte("GET /ai/v1/models/17 HTTP/1.1\r\nHost: x\r\n\r\n")
	var res fasthttp.Response
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Write(ask); err != nil {
			b.Fatal(err)
		}
		if err := res.Read(br); err != nil {
			b.Fatal(err)
		}
	}
}
