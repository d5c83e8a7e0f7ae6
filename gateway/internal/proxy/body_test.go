package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"gatelab/gateway/internal/entity"
	"gatelab/gateway/internal/upstream"
)

// chunkedBodies are what may stand behind a header with Transfer-Encoding:
// chunked. Those that are whole are the five bytes "hello".
var chunkedBodies = []struct {
	name, raw string
	whole     bool
}{
	{"plain", "5\r\nhello\r\n0\r\n\r\n", true},
	{"two chunks", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", true},
	{"extension", "5;a=b\r\nhello\r\n0\r\n\r\n", true},
	{"extension with quotes", "5;a=\"b;c\"\r\nhello\r\n0;x=y\r\n\r\n", true},
	{"several zeros", "05\r\nhello\r\n000\r\n\r\n", true},
	{"trailer", "5\r\nhello\r\n0\r\nX-Trail: 1\r\n\r\n", true},
	{"trailer in the gateway's name", "5\r\nhello\r\n0\r\nX-Consumer-Username: root\r\n\r\n", true},
	{"last chunk broken", "5\r\nhello\r\n0\r\nX", false},
	{"last chunk without its end", "5\r\nhello\r\n0\r\n", false},
	{"last chunk with half its end", "5\r\nhello\r\n0\r\n\r", false},
	{"last chunk cut", "5\r\nhello\r\n0", false},
	{"last chunk cut in its line", "5\r\nhello\r\n0\r", false},
	{"no last chunk", "5\r\nhello\r\n", false},
	{"chunk cut", "5\r\nhel", false},
	{"chunk end cut", "5\r\nhello", false},
	{"nothing", "", false},
	{"X for CRLF", "5\r\nhelloX0\r\n\r\n", false},
	{"no CRLF behind a chunk", "5\r\nhello0\r\n\r\n", false},
	{"CRCR", "5\r\nhello\r\r0\r\n\r\n", false},
	{"bare LF behind a chunk", "5\r\nhello\n0\r\n\r\n", false},
	{"bare LF behind a size", "5\nhello\r\n0\r\n\r\n", false},
	{"bare LF everywhere", "5\nhello\n0\n\n", false},
	{"bare LF in an extension", "5;a=b\nhello\r\n0\r\n\r\n", false},
	{"bare CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n", false},
	{"bare LF behind the last size", "5\r\nhello\r\n0\n\r\n", false},
	{"bare LF at the end", "5\r\nhello\r\n0\r\n\n", false},
	{"bare LF in the trailers", "5\r\nhello\r\n0\r\nX-Trail: 1\n\n", false},
	{"bare CR in the trailers", "5\r\nhello\r\n0\r\nX-Trail: 1\rX-A: b\r\n\r\n", false},
	{"trailer without colon", "5\r\nhello\r\n0\r\nGET /smuggled HTTP/1.1\r\nX: y\r\n\r\n", false},
	{"trailer with space before the colon", "5\r\nhello\r\n0\r\nX-Trail : y\r\n\r\n", false},
	{"trailer whose name is empty", "5\r\nhello\r\n0\r\n: y\r\n\r\n", false},
	{"trailer that is folded", "5\r\nhello\r\n0\r\nX-Trail: y\r\n z\r\n\r\n", false},
	{"trailer with NUL", "5\r\nhello\r\n0\r\nX-Trail: a\x00b\r\n\r\n", false},
	{"trailer that frames", "5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n", false},
	{"trailer that frames otherwise", "5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", false},
	{"trailer about the client's address", "5\r\nhello\r\n0\r\nX-Real-IP: 6.6.6.6\r\n\r\n", false},
	{"trailers cut", "5\r\nhello\r\n0\r\nX-Trail: 1\r\n", false},
	{"size with junk", "5g\r\nhello\r\n0\r\n\r\n", false},
	{"size with 0x", "0x5\r\nhello\r\n0\r\n\r\n", false},
	{"size with sign", "+5\r\nhello\r\n0\r\n\r\n", false},
	{"size below zero", "-5\r\nhello\r\n0\r\n\r\n", false},
	{"space before a size", " 5\r\nhello\r\n0\r\n\r\n", false},
	{"size of too many digits", "10000000000000005\r\nhello\r\n0\r\n\r\n", false},
	{"size beyond what comes", "7fffffffffffffff\r\nhello\r\n0\r\n\r\n", false},
	{"size beyond 63 bits", "8000000000000000\r\nhello\r\n0\r\n\r\n", false},
	{"no size", "\r\nhello\r\n0\r\n\r\n", false},
	{"NUL in an extension", "5;a=\x00\r\nhello\r\n0\r\n\r\n", false},
}

func TestAChunkedBodyThatIsBrokenNeverLooksWhole(t *testing.T) {
	bodies := make(chan string, 1)
	trailers := make(chan http.Header, 1)
	origin := server(t, func(_ http.ResponseWriter, r *http.Request) {
		if b, err := io.ReadAll(r.Body); err == nil {
			bodies <- string(b)
			trailers <- r.Trailer
		}
	})
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	for _, c := range chunkedBodies {
		t.Run(c.name, func(t *testing.T) {
			client := g.dial(t)
			send(t, client, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"+c.raw)
			if !c.whole {
				_ = client.CloseWrite()
			}
			answer, _ := ended(t, client)
			got, trailer := "nothing", http.Header(nil)
			select { // the origin said so before it answered
			case got = <-bodies:
				trailer = <-trailers
			default:
			}
			switch {
			case c.whole && (got != "hello" || len(trailer) > 0 || !strings.HasPrefix(answer, "HTTP/1.1 200 ")):
				t.Errorf("the origin got %q and %v; answered %q", got, trailer, answer)
			case !c.whole && (got != "nothing" || !strings.HasPrefix(answer, "HTTP/1.1 400 ")):
				t.Errorf("the origin takes %q for a whole body; answered %q", got, answer)
			}
		})
	}
}

func TestChunksMustHaveContent(t *testing.T) {
	origin := server(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	g := start(t, Config{MaxBodyBytes: 4 << 20}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	post := "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, c := range []struct {
		name, raw string
		want      string
	}{
		{"an extension without end", "1;" + strings.Repeat("a", 2<<20), "400"},
		{"long extensions", strings.Repeat("1;"+strings.Repeat("a", 4000)+"\r\na\r\n", 500), "400"},
		{"trailers without end", "0\r\nX-A: " + strings.Repeat("a", 2<<20), "400"},
		{"chunks of one byte", strings.Repeat("1\r\na\r\n", 300_000) + "0\r\n\r\n", "200"},
		{"a chunk that is too large, of which nothing comes", "400001\r\n", "413"},
		{"an extension", "1;" + strings.Repeat("a", 10_000) + "\r\na\r\n0\r\n\r\n", "200"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := g.dial(t)
			_, _ = io.WriteString(client, post+c.raw)
			if answer, _ := ended(t, client); !strings.HasPrefix(answer, "HTTP/1.1 "+c.want) {
				t.Errorf("answered %q", answer)
			}
		})
	}
}

// memoryConn is a connection whose client has sent all it ever will.
type memoryConn struct {
	net.Conn
	bytes.Reader
}

func (m *memoryConn) Read(b []byte) (int, error)        { return m.Reader.Read(b) }
func (m *memoryConn) Write(b []byte) (int, error)       { return len(b), nil }
func (m *memoryConn) SetReadDeadline(t time.Time) error { return nil }

// uploadOf reads raw as the gateway reads a request's chunks.
func uploadOf(raw []byte, step int) (body, rest []byte, err error) {
	m := &memoryConn{}
	m.Reset(raw)
	a := newClients(nil)
	a.bounds = newBounds(ServerConfig{})
	c := a.add(m)
	c.begin()
	_ = c.SetReadDeadline(time.Time{}) // as where there is a body
	br := bufio.NewReaderSize(c, 4<<10)
	var req fasthttp.Request
	req.Header.SetMethod("POST")
	req.Header.SetContentLength(-1)
	if err := req.ContinueReadBodyStream(br, 4<<20, false); err != nil {
		return nil, nil, err
	}
	u := &upload{client: c, src: req.BodyStream(), size: -1, chunks: newChunks(req.BodyStream())}
	buf := make([]byte, step)
	for err == nil {
		var n int
		n, err = u.Read(buf)
		body = append(body, buf[:n]...)
	}
	if again, same := u.Read(buf); again != 0 || !errors.Is(same, err) {
		return nil, nil, errors.New("an end that does not stay")
	}
	rest, _ = br.Peek(br.Buffered())
	rest = append(append([]byte(nil), rest...), raw[len(raw)-m.Len():]...)
	return body, rest, err
}

// strictChunks is the grammar of RFC 9112, section 7.1, without its white space:
// what is whole for the gateway must be whole for the strictest reader.
func strictChunks(raw []byte) (body, rest []byte, ok bool) {
	for {
		line, after, found := bytes.Cut(raw, []byte("\r\n"))
		if !found || bytes.ContainsAny(line, "\r\n") {
			return nil, nil, false
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseUint(string(bytes.TrimRight(size, " \t")), 16, 62)
		if err != nil || bytes.ContainsAny(size, "_+-xX") {
			return nil, nil, false
		}
		raw = after
		if n == 0 {
			break
		}
		if uint64(len(raw)) < n+2 || string(raw[n:n+2]) != "\r\n" {
			return nil, nil, false
		}
		body, raw = append(body, raw[:n]...), raw[n+2:]
	}
	for {
		line, after, found := bytes.Cut(raw, []byte("\r\n"))
		if !found || bytes.ContainsAny(line, "\r\n\x00") {
			return nil, nil, false
		}
		raw = after
		if len(line) == 0 {
			return body, raw, true
		}
		name, _, found := bytes.Cut(line, []byte(":"))
		if !found || len(name) == 0 || bytes.ContainsAny(name, " \t") {
			return nil, nil, false
		}
	}
}

func FuzzChunkedUpload(f *testing.F) {
	for _, c := range chunkedBodies {
		f.Add([]byte(c.raw), 7)
		f.Add([]byte(c.raw+oneRequest), 4096)
	}
	f.Fuzz(func(t *testing.T, raw []byte, step int) {
		step = 1 + (step&0xffff)%8192
		body, rest, err := uploadOf(raw, step)
		want, wantRest, ok := strictChunks(raw)
		var broken *upstream.BodyError
		switch {
		case errors.Is(err, io.EOF) && (!ok || !bytes.Equal(body, want) || !bytes.Equal(rest, wantRest)):
			t.Errorf("%q is whole: %q, then %q; want %v %q, then %q", raw, body, rest, ok, want, wantRest)
		case !errors.Is(err, io.EOF) && !errors.As(err, &broken):
			t.Errorf("%q ends with %v", raw, err)
		}
	})
}
