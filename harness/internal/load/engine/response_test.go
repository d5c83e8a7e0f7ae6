package engine

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/cespare/xxhash/v2"
)

// chopped gives what it holds in pieces of one size.
type chunkReader struct {
	b []byte
	n int
}

func (c *chunkReader) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.n)], c.b)
	c.b = c.b[n:]
	return n, nil
}

func TestResponsesInAnyPieces(t *testing.T) {
	long := strings.Repeat("0123456789", 2000)
	wire := "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Origin-Body: abc\r\nx-cache-STATUS: Hit\r\nX-Gateway-Node: gateway-2\r\n" +
		"X-Kong-Response-Latency: 0\r\n\r\nhello" +
		"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n" +
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n4e20;q=1\r\n" + long + "\r\n1\r\n!\r\n0\r\n\r\n" +
		"HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat("y", 10_000) + "\r\nConnection: close\r\n\r\nto the end"
	type got struct {
		status      int
		size        int
		hash        uint64
		node, cache string
		own, close  bool
	}
	want := []got{
		{200, 5, xxhash.Sum64String("hello"), "gateway-2", "Hit", true, false},
		{404, 0, xxhash.Sum64String(""), "", "", false, false},
		{200, 20_001, xxhash.Sum64String(long + "!"), "", "", false, false},
		{200, 10, xxhash.Sum64String("to the end"), "", "", false, true},
	}
	for _, size := range []int{1, 2, 3, 7, 100, 1 << 20} {
		p := newResponseReader()
		// The parser rejects unrequested bytes after a response, so each response is
		// sent when the one before was read.
		parts := strings.SplitAfter(wire, "hello")
		i := strings.Index(parts[1], "HTTP/1.1 200")
		j := i + strings.Index(parts[1][i+1:], "HTTP/1.1 200") + 1
		for k, part := range []string{parts[0], parts[1][:i], parts[1][i:j], parts[1][j:]} {
			p.from = &chunkReader{[]byte(part), size}
			if err := p.read(false, true); err != nil {
				t.Fatalf("pieces of %d, answer %d: %v", size, k, err)
			}
			if g := (got{p.status, p.size, p.hash, string(p.node), string(p.cache), p.gatewayOwn, p.close}); g != want[k] {
				t.Errorf("pieces of %d, answer %d: %+v, want %+v", size, k, g, want[k])
			}
		}
	}
}

func TestResponseWithoutCheckReadsTheSame(t *testing.T) {
	p := newResponseReader()
	p.from = strings.NewReader("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
	if err := p.read(false, false); err != nil || p.size != 5 || p.checked || p.hash != 0 {
		t.Errorf("%v: %+v", err, p.response)
	}
}

func TestResponseGivesReadersErrors(t *testing.T) {
	boom := errors.New("boom")
	p := newResponseReader()
	p.from = io.MultiReader(strings.NewReader("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"), iotest.ErrReader(boom))
	if err := p.read(false, true); !errors.Is(err, boom) {
		t.Errorf("%v", err)
	}
}

func TestReadingDoesNotAllocate(t *testing.T) {
	wire := []byte("HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\nX-Origin-Body: " + hashOf([]byte("hello")) +
		"\r\nX-Cache-Status: Hit\r\nX-Gateway-Node: gateway-2\r\n\r\nhello")
	p := newResponseReader()
	r := bytes.NewReader(wire)
	p.reset(r)
	if n := testing.AllocsPerRun(1000, func() {
		r.Reset(wire)
		if err := p.read(false, true); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per response", n)
	}
}

// FuzzResponse reads foreign bytes as net/http does, where both take them.
func FuzzResponse(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\nhello",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p := newResponseReader()
		p.reset(bytes.NewReader(b))
		if p.read(false, true) != nil {
			return
		}
		if p.status < 200 || p.status > 599 {
			t.Fatalf("status %d was taken", p.status)
		}
		r := bufio.NewReader(bytes.NewReader(b))
		res, err := http.ReadResponse(r, nil)
		for err == nil && res.StatusCode < 200 {
			res, err = http.ReadResponse(r, nil)
		}
		if err != nil {
			return // it is stricter in what does not matter here
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			return
		}
		if p.status != res.StatusCode || p.size != len(body) || p.hash != xxhash.Sum64(body) {
			t.Fatalf("%d with %d bytes, net/http says %d with %d", p.status, p.size, res.StatusCode, len(body))
		}
	})
}
