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

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/upstream"
)

// chunkedBodies are what may stand behind a header with Transfer-Encoding:
// chunked. Those that are whole are the five bytes "hello".
var chunkedBodies = []struct {
	name, raw string
	whole     bool
}{
	{name: "plain", raw: "5\r\nhello\r\n0\r\n\r\n", whole: true},
	{name: "two chunks", raw: "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", whole: true},
	{name: "extension", raw: "5;a=b\r\nhello\r\n0\r\n\r\n", whole: true},
	{name: "extension with quotes", raw: "5;a=\"b;c\"\r\nhello\r\n0;x=y\r\n\r\n", whole: true},
	{name: "several zeros", raw: "05\r\nhello\r\n000\r\n\r\n", whole: true},
	{name: "trailer", raw: "5\r\nhello\r\n0\r\nX-Trail: 1\r\n\r\n", whole: true},
	{name: "trailer in the gateway's name", raw: "5\r\nhello\r\n0\r\nX-Consumer-Username: root\r\n\r\n", whole: true},
	{name: "last chunk broken", raw: "5\r\nhello\r\n0\r\nX"},
	{name: "last chunk without its end", raw: "5\r\nhello\r\n0\r\n"},
	{name: "last chunk with half its end", raw: "5\r\nhello\r\n0\r\n\r"},
	{name: "last chunk cut", raw: "5\r\nhello\r\n0"},
	{name: "last chunk cut in its line", raw: "5\r\nhello\r\n0\r"},
	{name: "no last chunk", raw: "5\r\nhello\r\n"},
	{name: "chunk cut", raw: "5\r\nhel"},
	{name: "chunk end cut", raw: "5\r\nhello"},
	{name: "nothing"},
	{name: "X for CRLF", raw: "5\r\nhelloX0\r\n\r\n"},
	{name: "no CRLF behind a chunk", raw: "5\r\nhello0\r\n\r\n"},
	{name: "CRCR", raw: "5\r\nhello\r\r0\r\n\r\n"},
	{name: "bare LF behind a chunk", raw: "5\r\nhello\n0\r\n\r\n"},
	{name: "bare LF behind a size", raw: "5\nhello\r\n0\r\n\r\n"},
	{name: "bare LF everywhere", raw: "5\nhello\n0\n\n"},
	{name: "bare LF in an extension", raw: "5;a=b\nhello\r\n0\r\n\r\n"},
	{name: "bare CR in an extension", raw: "5;a\rb\r\nhello\r\n0\r\n\r\n"},
	{name: "bare LF behind the last size", raw: "5\r\nhello\r\n0\n\r\n"},
	{name: "bare LF at the end", raw: "5\r\nhello\r\n0\r\n\n"},
	{name: "bare LF in the trailers", raw: "5\r\nhello\r\n0\r\nX-Trail: 1\n\n"},
	{name: "bare CR in the trailers", raw: "5\r\nhello\r\n0\r\nX-Trail: 1\rX-A: b\r\n\r\n"},
	{name: "trailer without colon", raw: "5\r\nhello\r\n0\r\nGET /smuggled HTTP/1.1\r\nX: y\r\n\r\n"},
	{name: "trailer with space before the colon", raw: "5\r\nhello\r\n0\r\nX-Trail : y\r\n\r\n"},
	{name: "trailer whose name is empty", raw: "5\r\nhello\r\n0\r\n: y\r\n\r\n"},
	{name: "trailer that is folded", raw: "5\r\nhello\r\n0\r\nX-Trail: y\r\n z\r\n\r\n"},
	{name: "trailer with NUL", raw: "5\r\nhello\r\n0\r\nX-Trail: a\x00b\r\n\r\n"},
	{name: "trailer that frames", raw: "5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n"},
	{name: "trailer that frames otherwise", raw: "5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"},
	{name: "trailer about the client's address", raw: "5\r\nhello\r\n0\r\nX-Real-IP: 6.6.6.6\r\n\r\n"},
	{name: "trailers cut", raw: "5\r\nhello\r\n0\r\nX-Trail: 1\r\n"},
	{name: "size with junk", raw: "5g\r\nhello\r\n0\r\n\r\n"},
	{name: "size with 0x", raw: "0x5\r\nhello\r\n0\r\n\r\n"},
	{name: "size with sign", raw: "+5\r\nhello\r\n0\r\n\r\n"},
	{name: "size below zero", raw: "-5\r\nhello\r\n0\r\n\r\n"},
	{name: "space before a size", raw: " 5\r\nhello\r\n0\r\n\r\n"},
	{name: "size of too many digits", raw: "10000000000000005\r\nhello\r\n0\r\n\r\n"},
	{name: "size beyond what comes", raw: "7fffffffffffffff\r\nhello\r\n0\r\n\r\n"},
	{name: "size beyond 63 bits", raw: "8000000000000000\r\nhello\r\n0\r\n\r\n"},
	{name: "no size", raw: "\r\nhello\r\n0\r\n\r\n"},
	{name: "NUL in an extension", raw: "5;a=\x00\r\nhello\r\n0\r\n\r\n"},
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
			case c.whole && (got != "hello" || len(trailer) > 0 && c.name != "trailer" || !strings.HasPrefix(answer, "HTTP/1.1 200 ")):
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
		{name: "an extension without end", raw: "1;" + strings.Repeat("a", 2<<20), want: "400"},
		{name: "long extensions", raw: strings.Repeat("1;"+strings.Repeat("a", 4000)+"\r\na\r\n", 500), want: "400"},
		{name: "trailers without end", raw: "0\r\nX-A: " + strings.Repeat("a", 2<<20), want: "400"},
		{name: "chunks of one byte", raw: strings.Repeat("1\r\na\r\n", 300_000) + "0\r\n\r\n", want: "200"},
		{name: "a chunk that is too large, of which nothing comes", raw: "400001\r\n", want: "413"},
		{name: "an extension", raw: "1;" + strings.Repeat("a", 10_000) + "\r\na\r\n0\r\n\r\n", want: "200"},
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
	a := newClients(ServerConfig{}, nil, nil)
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
