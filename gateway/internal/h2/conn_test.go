package h2

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// patience bounds every wait of the tests.
const patience = 20 * time.Second

// socket is a Transport without limits of its own.
type socket struct {
	net.Conn
	br     *bufio.Reader
	writes atomic.Int64
	late   atomic.Pointer[chan struct{}] // what has come is handed over when it is closed
}

func newSocket(c net.Conn) *socket { return &socket{Conn: c, br: bufio.NewReader(c)} }

func (s *socket) Buffered() int { return s.br.Buffered() }
func (s *socket) Interrupt()    { _ = s.SetReadDeadline(time.Unix(1, 0)) }
func (s *socket) Read(b []byte) (int, error) {
	n, err := s.br.Read(b)
	if late := s.late.Load(); late != nil {
		<-*late
	}
	return n, err
}

func (s *socket) Write(b []byte) (int, error) {
	s.writes.Add(1)
	return s.Conn.Write(b)
}

// served is a connection that a test serves.
type served struct {
	*http2.Framer
	t      testing.TB
	client net.Conn
	server *socket
	conn   *Conn
	done   chan struct{} // Serve has returned
	head   bytes.Buffer
	enc    *hpack.Encoder
}

// config has a second for everything, and room for little.
func config(handle func(*Stream)) Config {
	return Config{
		Streams: 8, HeaderBytes: 4 << 10, StreamWindow: 64 << 10, ConnWindow: 128 << 10, Idle: patience, Settings: patience,
		Handle: handle, Panicked: func(reason any, stack []byte) { panic(string(stack)) },
	}
}

// sockets are both ends of a connection that takes no port.
func sockets(t testing.TB) (client, server net.Conn) {
	t.Helper()
	ln, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if client, err = net.Dial("unix", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	return client, server
}

func start(t testing.TB, c Config) *served {
	t.Helper()
	client, server := sockets(t)
	s := NewServer(c)
	x := &served{t: t, client: client, server: newSocket(server), done: make(chan struct{})}
	_ = client.SetDeadline(time.Now().Add(patience))
	x.conn = s.NewConn(x.server)
	go func() {
		defer close(x.done)
		x.conn.Serve()
		_ = server.Close()
	}()
	x.Framer = http2.NewFramer(client, client)
	x.AllowIllegalWrites = true
	x.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	x.enc = hpack.NewEncoder(&x.head)
	t.Cleanup(func() {
		_ = client.Close()
		x.ended()
		s.Close()
	})
	return x
}

// greet does what a client does first.
func (x *served) greet(settings ...http2.Setting) {
	x.t.Helper()
	_, err := io.WriteString(x.client, http2.ClientPreface)
	x.must(err)
	x.must(x.WriteSettings(settings...))
	x.must(x.WriteSettingsAck())
}

func (x *served) must(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

// ended waits for the end of the connection.
func (x *served) ended() {
	x.t.Helper()
	select {
	case <-x.done:
	case <-time.After(patience):
		x.t.Fatal("the connection does not end")
	}
}

// ask begins a request for a path.
func (x *served) ask(id uint32, ended bool, path string, more ...string) {
	x.t.Helper()
	method := map[bool]string{true: "GET", false: "POST"}[ended]
	fields := append([]string{":method", method, ":scheme", "http", ":authority", "x", ":path", path}, more...)
	x.must(x.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: x.block(fields...), EndStream: ended, EndHeaders: true}))
}

func (x *served) block(fields ...string) []byte {
	x.head.Reset()
	for i := 0; i+1 < len(fields); i += 2 {
		_ = x.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(x.head.Bytes())
}

// frame is the next frame but for those that a client only notes.
func (x *served) frame() http2.Frame {
	x.t.Helper()
	for {
		f, err := x.ReadFrame()
		x.must(err)
		switch f.(type) {
		case *http2.SettingsFrame, *http2.WindowUpdateFrame:
		default:
			return f
		}
	}
}

// status is that of the header which must come next.
func (x *served) status(id uint32) string {
	x.t.Helper()
	f := x.frame()
	h, ok := f.(*http2.MetaHeadersFrame)
	if !ok || h.StreamID != id {
		x.t.Fatalf("got %v, want a header of stream %d", f, id)
	}
	return h.PseudoValue("status")
}

// body reads the rest of an answer, and gives back what it takes.
func (x *served) body(id uint32) (b []byte, trailers []hpack.HeaderField) {
	x.t.Helper()
	for {
		switch f := x.frame().(type) {
		case *http2.DataFrame:
			b = append(b, f.Data()...)
			if f.StreamEnded() {
				return b, nil
			}
			x.must(x.WriteWindowUpdate(id, f.Length))
			x.must(x.WriteWindowUpdate(0, f.Length))
		case *http2.MetaHeadersFrame:
			return b, f.Fields
		default:
			x.t.Fatalf("got %v within an answer", f)
		}
	}
}

// bodies reads until as many answers have ended, in whatever order their frames come.
func (x *served) bodies(n int) map[uint32]string {
	x.t.Helper()
	got := map[uint32]string{}
	for n > 0 {
		f := x.frame()
		if d, ok := f.(*http2.DataFrame); ok {
			got[d.StreamID] += string(d.Data())
		}
		if f.Header().Flags.Has(http2.FlagDataEndStream) { // the same bit in HEADERS
			n--
		}
	}
	return got
}

// echo answers with what comes.
func echo(s *Stream) {
	if s.SendHead(200, nil, false) != nil {
		return
	}
	s.Flush()
	var b [8 << 10]byte
	for {
		n, _, err := s.Read(b[:], patience)
		if n > 0 {
			if _, err := s.Send(b[:n], false, patience); err != nil {
				return
			}
		}
		if errors.Is(err, io.EOF) {
			_ = s.SendTrailers(trailersOf(s))
			s.Flush()
			return
		}
		if err != nil {
			return
		}
	}
}

func trailersOf(s *Stream) (out []Field) {
	for _, f := range s.Trailers() {
		out = append(out, Field{[]byte(f.Name), []byte(f.Value)})
	}
	return append(out, Field{[]byte("X-End"), []byte("1")})
}

func ok(s *Stream) {
	_ = s.SendHead(200, nil, false)
	_, _ = s.Send([]byte("ok"), true, patience)
}
