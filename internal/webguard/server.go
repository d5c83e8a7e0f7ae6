package webguard

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// Limits bound what a client may take of a server.
type Limits struct {
	Header      time.Duration // how long a request's header may take; 0 is 10 s
	Read        time.Duration // how long a whole request may take; 0 is 30 s
	Write       time.Duration // how long making and taking an answer may take; 0 is 1 min
	Idle        time.Duration // how long a connection is kept between requests; 0 is 2 min
	HeaderBytes int           // 0 is 64 KiB
}

// NewServer makes a server whose clients end in time: neither a slow body nor a
// slow reader holds a connection for longer than its limits. A handler whose
// answer takes longer calls Extend.
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

// wrap sets the limit of the answer for each request: http.Server.WriteTimeout
// cannot be told apart from a handler's own, and pprof refuses to work with it.
func (l Limits) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		_ = c.SetWriteDeadline(time.Now().Add(l.Write)) // a recorder has none
		if r.Body == nil || r.Body == http.NoBody {
			// There is nothing more to read: a read that runs into its deadline
			// while the answer is made would end the request's context.
			_ = c.SetReadDeadline(time.Time{})
		}
		h.ServeHTTP(w, r)
	})
}

// PaceBody bounds the pauses of a request's body, for handlers of servers without
// a limit for the whole of it, such as proxies.
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
		// The answer may take longer. After any other error the deadline stays:
		// the server looks for the rest of the body.
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// Extend gives an answer more time from now on; 0 is no limit.
func Extend(w http.ResponseWriter, d time.Duration) {
	deadline := time.Time{}
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	_ = http.NewResponseController(w).SetWriteDeadline(deadline)
}
