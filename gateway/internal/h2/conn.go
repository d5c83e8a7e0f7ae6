package h2

import (
	"errors"
	"io"
	"math"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// mostFrame is the length of the longest frame that clients may send, in bytes:
	// HTTP/2's least. A longer one would only have to wait in memory.
	mostFrame = 16 << 10
	// mostSent is the length of the longest frame that is sent, in bytes.
	mostSent = 32 << 10
	// initialWindow is HTTP/2's, until settings say otherwise.
	initialWindow = 65535
	// mostSettings bounds those in a frame.
	mostSettings = 100
	// farewell is how long the last frames to a client may take, where it has been answered
	// or cannot be.
	farewell = time.Second
)

var (
	errClosed = errors.New("the HTTP/2 connection has ended")
	errReset  = errors.New("the client has taken the request back")
)

// Conn is a client's connection.
type Conn struct {
	server    *Server
	transport Transport

	// Of the goroutine that reads.
	framer      *http2.Framer
	decoder     *hpack.Decoder
	block       headerBlock
	sawSettings bool

	mu      sync.Mutex
	streams map[uint32]*Stream // whose requests are being answered
	open    int                // those that are not closed
	running int                // requests being answered: what is closed may have one still
	waiting []*Stream          // for one of those to end, or for the client to read
	last    uint32             // the highest stream that the client has begun
	resets  resets
	inflow  inflow

	// Of the client's settings.
	frameSize     int
	streamOutflow outflow // of a new stream

	outflow  outflow
	blocked  []*Stream
	writer   fieldWriter
	out      *output
	flushing bool
	drained  chan struct{} // closed when all frames are written; nil if nothing waits for it
	broken   error         // nothing can be written any more

	alarm      *time.Timer
	settingsBy time.Time // when the client must have acknowledged; zero: it has
	idleSince  time.Time
	leaving    leaving
	over       bool // the reader is to end
}

// NewConn makes a connection of one that a client has just made. Serve must follow.
func (s *Server) NewConn(t Transport) *Conn {
	c := &Conn{
		server: s, transport: t, streams: map[uint32]*Stream{}, inflow: newInflow(s.config.ConnWindow),
		resets: resets{most: max(leastResets, s.config.Streams)}, frameSize: mostFrame, streamOutflow: initialWindow, outflow: initialWindow,
	}
	c.framer = http2.NewFramer(nil, t)
	c.framer.SetMaxReadFrameSize(mostFrame)
	c.framer.SetReuseFrames()
	c.decoder = hpack.NewDecoder(4096, c.block.add)
	c.decoder.SetMaxStringLength(2 * s.config.HeaderBytes)
	c.greet()
	return c
}

// Transport is what the connection of a request was made of.
func (s *Stream) Transport() Transport { return s.conn.transport }

// Serve reads until the connection ends, which is the caller's to close then.
// Handlers may still be running; their answers are discarded.
func (c *Conn) Serve() {
	defer func() {
		if reason := recover(); reason != nil { // a bug ends a connection, not the process
			c.server.config.Panicked(reason, debug.Stack())
			c.end(errClosed)
		}
	}()
	c.end(c.read())
}

// greet puts what the client may do before all other frames.
func (c *Conn) greet() {
	config := &c.server.config
	c.mu.Lock() // against the alarm
	defer c.mu.Unlock()
	now := time.Now()
	c.idleSince, c.settingsBy = now, now.Add(config.Settings)
	c.control(func(f *http2.Framer) error {
		return f.WriteSettings(
			http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: uint32(config.Streams)},   //nolint:gosec // of 10,000 at most
			http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: uint32(config.HeaderBytes)},  //nolint:gosec // of 16 MiB at most
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(config.StreamWindow)}) //nolint:gosec // a constant
	})
	c.control(func(f *http2.Framer) error {
		return f.WriteWindowUpdate(0, uint32(config.ConnWindow-initialWindow)) //nolint:gosec // a constant
	})
	c.alarm = time.AfterFunc(min(config.Settings, config.Idle), c.check)
}

// read takes frames until one of them, or the connection, ends it.
func (c *Conn) read() error {
	if err := c.readPreface(); err != nil {
		return err
	}
	for {
		if c.transport.Buffered() == 0 { // it may take a while to the next
			c.mu.Lock()
			c.flushSoon()
			c.mu.Unlock()
		}
		if err := c.readFrame(); err != nil && !c.resetBy(err) {
			return err
		}
	}
}

// resetBy resets the stream that an error is about. It returns false for one that
// is about the connection.
func (c *Conn) resetBy(err error) bool {
	var of http2.StreamError
	if !errors.As(err, &of) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resetID(of.StreamID, of.Code)
	return true
}

func (c *Conn) readPreface() error {
	var b [len(http2.ClientPreface)]byte
	c.mu.Lock()
	c.flushSoon()
	c.mu.Unlock()
	if _, err := io.ReadFull(c.transport, b[:]); err != nil {
		return err
	}
	if string(b[:]) != http2.ClientPreface {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return nil
}

// end tells the client why, and all that wait for it that it is gone.
func (c *Conn) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alarm.Stop()
	patience := farewell
	if c.over && c.leaving.announced { // the last answers may be among what waits: the Transport has their time limits
		patience = math.MaxInt64
	}
	if code, tell := codeOf(err); tell && !c.over {
		c.sayLast(code)
	}
	c.over = true
	for _, s := range c.streams {
		c.abandon(s, errClosed)
	}
	c.flushSoon()
	if c.flushing {
		drained := make(chan struct{})
		c.drained = drained
		c.mu.Unlock()
		timer := time.NewTimer(patience)
		select {
		case <-drained:
		case <-timer.C:
		}
		timer.Stop()
		c.mu.Lock()
	}
	if c.broken == nil {
		c.broken = errClosed
	}
}

// codeOf is the error code for GOAWAY; tell is false if the client closed the connection.
func codeOf(err error) (code http2.ErrCode, tell bool) {
	var of http2.ConnectionError
	switch {
	case errors.As(err, &of):
		return http2.ErrCode(of), true
	case errors.Is(err, http2.ErrFrameTooLarge):
		return http2.ErrCodeFrameSize, true
	}
	return http2.ErrCodeNo, false
}
