package upstream

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// socket is a TCP connection that can also be read without waiting: that is how
// an idle connection is examined, also below TLS.
type socket struct {
	net.Conn
	raw     syscall.RawConn // nil: not a socket of the system
	poll    bool            // Read takes what is there, and does not wait
	records *records        // nil without TLS

	// Of the system call under way; here, so that it allocates nothing.
	into    []byte
	n       int
	err     error
	receive func(fd uintptr)
	queued  int
	count   func(fd uintptr)
}

func newSocket(nc net.Conn) *socket {
	s := &socket{Conn: nc}
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			s.raw = raw
		}
	}
	s.receive = func(fd uintptr) { s.n, s.err = readSocket(fd, s.into) }
	s.count = func(fd uintptr) { s.queued, s.err = outQueue(fd) }
	return s
}

// CloseWrite ends the direction to the upstream, for tunnels.
func (s *socket) CloseWrite() error {
	if half, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return s.Close()
}

// Read is net.Conn's. Where the socket is polled, errNothing says that nothing
// is there now.
func (s *socket) Read(b []byte) (int, error) {
	var n int
	var err error
	if s.poll {
		n, err = s.readNow(b)
	} else {
		n, err = s.Conn.Read(b)
	}
	if s.records != nil {
		s.records.pass(b[:n])
	}
	return n, err
}

func (s *socket) readNow(b []byte) (int, error) {
	s.into = b
	// Control, not Read: the deadline of the last request may have passed.
	err := s.raw.Control(s.receive)
	s.into = nil
	switch {
	case err != nil:
		return 0, err
	case errors.Is(s.err, syscall.EAGAIN) || errors.Is(s.err, syscall.EINTR):
		return 0, errNothing
	case s.err != nil:
		return 0, s.err
	case s.n <= 0:
		return 0, io.EOF
	}
	return s.n, nil
}

// unacknowledged tells whether the peer has not yet confirmed all that was
// written to it. What it sends in answer to a request confirms that request:
// both are in the same TCP segments.
func (s *socket) unacknowledged() bool {
	if s.raw == nil {
		return false
	}
	return s.raw.Control(s.count) == nil && s.err == nil && s.queued > 0
}

// nothingError is a net.Error that TLS takes for temporary: it reads on afterwards.
type nothingError struct{}

func (nothingError) Error() string   { return "nothing to read" }
func (nothingError) Timeout() bool   { return true }
func (nothingError) Temporary() bool { return true }

var errNothing error = nothingError{}

// records follows the boundaries of TLS records in what is read: a part of a
// record waits in TLS, where nothing else can see it.
type records struct {
	header [5]byte // type, version, length
	have   int
	left   int
}

func (r *records) pass(b []byte) {
	for len(b) > 0 {
		if r.left > 0 {
			n := min(r.left, len(b))
			r.left -= n
			b = b[n:]
			continue
		}
		n := copy(r.header[r.have:], b)
		r.have += n
		b = b[n:]
		if r.have == len(r.header) {
			r.left, r.have = int(r.header[3])<<8|int(r.header[4]), 0
		}
	}
}

// whole tells that no record was read in part.
func (r *records) whole() bool { return r.have == 0 && r.left == 0 }
