package upstream

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"
)

// answerFast answers every request without a body on c: nothing of a parser's
// cost is in what is measured.
func answerFast(c net.Conn) {
	br := bufio.NewReader(c)
	for {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return
		}
		if len(line) > 2 {
			continue
		}
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"); err != nil {
			return
		}
	}
}

// cpu reports the processor time of an operation, which other processes on a
// busy machine do not lengthen; it includes the peer's.
func cpu(b *testing.B) (stop func()) {
	used := func() time.Duration {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	began := used()
	return func() { b.ReportMetric(float64(used()-began)/float64(b.N), "cpu-ns/op") }
}

// BenchmarkExchange is one request on a kept connection: as it is, without the
// look before the reuse, and the two looks by themselves.
func BenchmarkExchange(b *testing.B) {
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	defer certificate.Close()
	for _, scheme := range []string{"http", "https"} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		if scheme == "https" {
			ln = tls.NewListener(ln, &tls.Config{Certificates: certificate.TLS.Certificates})
		}
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				go answerFast(c)
			}
		}()
		p := NewPools(Config{Keepalive: 8}, nil)
		balancer := serviceAt(b, p, scheme+"://"+ln.Addr().String())
		call := newCall(balancer)
		if err := p.Do(call); err != nil {
			b.Fatal(err)
		}
		t := balancer.ring.Load().members[0].target
		name := t.serverName(call.Request.Header.Host())
		b.Run(scheme+"/with the look", func(b *testing.B) {
			b.ReportAllocs()
			defer cpu(b)()
			for b.Loop() {
				if _, err := p.ask(call, t); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(scheme+"/without", func(b *testing.B) {
			b.ReportAllocs()
			defer cpu(b)()
			for b.Loop() {
				k := t.pool.take(time.Now(), time.Hour, name)
				if err := p.use(call, t, k); err != nil {
					b.Fatal(err)
				}
			}
		})
		k := t.pool.take(time.Now(), time.Hour, name)
		b.Run(scheme+"/the look alone", func(b *testing.B) {
			b.ReportAllocs()
			defer cpu(b)()
			for b.Loop() {
				if k.look() != quiet {
					b.Fatal("not quiet")
				}
			}
		})
		b.Run(scheme+"/the acknowledgement alone", func(b *testing.B) {
			b.ReportAllocs()
			defer cpu(b)()
			for b.Loop() {
				if k.wire.unacknowledged() {
					b.Fatal("not acknowledged")
				}
			}
		})
		k.Close()
		p.Close()
		ln.Close()
	}
}

// BenchmarkResponseHead is a header block of a usual size.
func BenchmarkResponseHead(b *testing.B) {
	wire := "HTTP/1.1 200 OK\r\nServer: nginx/1.25.3\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n" +
		"Content-Type: application/json; charset=utf-8\r\n" +
		"Content-Length: 0\r\nConnection: keep-alive\r\nCache-Control: max-age=60\r\nETag: \"abcdef\"\r\nVary: Accept-Encoding\r\n" +
		"X-Request-Id: 0123456789abcdef\r\n\r\n"
	for _, c := range []struct{ name, wire string }{{"CRLF", wire}, {"LF", strings.ReplaceAll(wire, "\r\n", "\n")}} {
		src := strings.NewReader("")
		k := &conn{br: bufio.NewReaderSize(src, bufferSize)}
		h := &newCall(nil).Response.Header
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				src.Reset(c.wire)
				k.br.Reset(src)
				_, _ = k.br.Peek(1)
				if _, err := k.readHead(h, 64<<10); err != nil {
					b.Fatal(err)
				}
			}
		})
		if c.name != "CRLF" {
			continue // the codec does not take it
		}
		b.Run("by the codec alone", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				src.Reset(c.wire)
				k.br.Reset(src)
				_, _ = k.br.Peek(1)
				if err := h.Read(k.br); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
