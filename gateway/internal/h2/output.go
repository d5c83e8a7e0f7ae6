package h2

import (
	"errors"
	"runtime"

	"golang.org/x/net/http2"
)

const (
	// mostPending bounds the bytes of answers that wait for the frames before
	// them to be written; who has more waits.
	mostPending = 64 << 10
	// mostControl bounds all that waits: a client that asks for more without
	// reading what it gets is cut off.
	mostControl = 512 << 10
	// keptOutput is how large a buffer may be to serve again.
	keptOutput = 128 << 10
	// turns is how many writes a goroutine makes for others behind its own.
	turns = 4
)

var errUnread = errors.New("the client does not read what it asks for")

// output is a buffer of frames that wait to be written. It belongs to a connection
// only for as long as it has some.
type output struct {
	buf    []byte
	framer *http2.Framer
}

func newOutput() *output {
	o := &output{}
	o.framer = http2.NewFramer(o, nil)
	return o
}

// Write is the framer's.
func (o *output) Write(b []byte) (int, error) {
	o.buf = append(o.buf, b...)
	return len(b), nil
}

// frames is where frames are put. c.mu is held, also by the methods below.
func (c *Conn) frames() *http2.Framer {
	if c.out == nil {
		c.out = c.server.outputs.Get().(*output)
	}
	return c.out.framer
}

// pending is how many bytes wait.
func (c *Conn) pending() int {
	if c.out == nil {
		return 0
	}
	return len(c.out.buf)
}

// flush writes what waits, unless another goroutine is at it, which will. It
// releases c.mu while it writes.
func (c *Conn) flush() {
	if c.flushing || c.out == nil || c.broken != nil {
		return
	}
	c.flushing = true
	if c.open > 1 { // others may have answers that are ready as well
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
	for range turns {
		if c.write(); c.out == nil || c.broken != nil {
			c.flushed()
			return
		}
	}
	go c.flushAll()
}

// flushSoon has what waits written by another goroutine, for those that must not
// wait for the client.
func (c *Conn) flushSoon() {
	if c.flushing || c.out == nil || c.broken != nil {
		return
	}
	c.flushing = true
	go c.flushAll()
}

// flushAll goes on until nothing waits.
func (c *Conn) flushAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.out != nil && c.broken == nil {
		c.write()
	}
	c.flushed()
}

// write writes what waits at the moment.
func (c *Conn) write() {
	o := c.out
	c.out = nil
	c.resume()
	c.mu.Unlock()
	_, err := c.transport.Write(o.buf)
	if cap(o.buf) <= keptOutput {
		o.buf = o.buf[:0]
		c.server.outputs.Put(o)
	}
	c.mu.Lock()
	if err != nil && c.broken == nil {
		c.broken = err
	}
	c.wakeBlocked()
}

func (c *Conn) flushed() {
	c.flushing = false
	if c.drained != nil {
		close(c.drained)
		c.drained = nil
	}
}

// control puts a frame of the connection's own where it waits for the next write.
func (c *Conn) control(put func(f *http2.Framer) error) {
	if c.broken != nil {
		return
	}
	_ = put(c.frames()) // an output takes everything
	if c.pending() > mostControl {
		c.broken = errUnread
		c.transport.Interrupt()
	}
}
