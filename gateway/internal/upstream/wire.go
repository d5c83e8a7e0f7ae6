package upstream

import (
	"net"

	"github.com/gatelab/gatelab/gateway/internal/socket"
)

// wire is the socket of a connection. It can also be read without waiting: that is how
// an idle connection is examined, also below TLS.
type wire struct {
	*socket.Conn
	poll    bool     // Read takes what is there, and does not wait
	records *records // nil without TLS
}

func newWire(nc net.Conn) *wire { return &wire{Conn: socket.New(nc)} }

// Read is net.Conn's. Where the socket is polled, socket.ErrNothing says that nothing
// is there now.
func (w *wire) Read(b []byte) (int, error) {
	var n int
	var err error
	if w.poll {
		n, err = w.ReadNow(b)
	} else {
		n, err = w.Conn.Read(b)
	}
	if w.records != nil {
		w.records.pass(b[:n])
	}
	return n, err
}

// unacknowledged tells whether the peer has not yet confirmed all that was
// written to it. What it sends in answer to a request confirms that request:
// both are in the same TCP segments.
func (w *wire) unacknowledged() bool { return w.IsPollable() && w.Unacknowledged() }

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
