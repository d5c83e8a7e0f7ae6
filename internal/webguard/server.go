package webguard

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// Limits bound what a client may use of a server.
type Limits struct {
	Header      time.Duration // time limit for a request's header; 0 is 10 s
	Read        time.Duration // time limit for a whole request; 0 is 30 s
	Write       time.Duration // time limit for handling a request and writing the response; 0 is 1 min
	Idle        time.Duration // how long an idle connection stays open; 0 is 2 min
	HeaderBytes int           // 0 is 64 KiB
}

// NewServer makes a server in which neither a slow body nor a slow reader occupies a
// connection for longer than its limits. A handler whose response takes longer calls
// Extend.
func NewServer(h http.Handler, l Limits) *http.Server {
	l = l.withDefaults()
	return &http.Server{
		Handler: l.wrap(h), ReadHeaderTimeout: l.Header, ReadTimeout: l.Read, IdleTimeout: l.Idle, MaxHeaderBytes: l.HeaderBytes,
	}
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		to  *time.Duration
		def time.Duration
	}{{&l.Header, 10 * time.Second}, {&l.Read, 30 * time.Second}, {&l.Write, time.Minute}, {&l.Idle, 2 * time.Minute}} {
		if *d.to == 0 {
			*d.to = d.def
		}
	}
	l.Header = min(l.Header, l.Read)
	if l.HeaderBytes == 0 {
		l.HeaderBytes = 64 << 10
	}
	return l
}

// wrap sets the time limit of each response. http.Server.WriteTimeout cannot be
// distinguished from a handler's own limit, and pprof rejects it.
func (l Limits) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		_ = c.SetWriteDeadline(time.Now().Add(l.Write)) // a recorder has none
		if r.Body == nil || r.Body == http.NoBody {
			// Nothing is left to read: a read that reached its deadline while the request is
			// handled would cancel the request's context.
			_ = c.SetReadDeadline(time.Time{})
		}
		h.ServeHTTP(w, r)
	})
}

// PaceBody bounds the pauses within a request's body, for handlers of servers
// without a time limit for all of it, such as proxies.
func PaceBody(w http.ResponseWriter, r *http.Request, pause time.Duration) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &pacedBody{r.Body, http.NewResponseController(w), pause}
	}
}

type pacedBody struct {
	io.ReadCloser
	control *http.ResponseController
	pause   time.Duration
}

func (b *pacedBody) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(time.Now().Add(b.pause))
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		// The response may take longer. After any other error the deadline stays: the
		// server still reads the rest of the body.
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// Extend sets the time limit of a response from now on; 0 is no limit.
func Extend(w http.ResponseWriter, d time.Duration) {
	deadline := time.Time{}
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	_ = http.NewResponseController(w).SetWriteDeadline(deadline)
}
