package h2

import (
	"math"

	"golang.org/x/net/http2"
)

const (
	errProtocol = http2.ConnectionError(http2.ErrCodeProtocol)
	errFlow     = http2.ConnectionError(http2.ErrCodeFlowControl)
)

// readFrame takes one frame, or a header with all that belong to it.
func (c *Conn) readFrame() error {
	head, err := c.framer.ReadFrameHeader()
	if err != nil {
		return err
	}
	f, err := c.framer.ReadFrameForHeader(head)
	if err != nil {
		if _, ok := err.(http2.StreamError); ok && head.Type == http2.FrameHeaders { //nolint:errorlint // the framer's own, unwrapped
			return errProtocol // HPACK's tables have missed a part
		}
		return err
	}
	if settings, ok := f.(*http2.SettingsFrame); !c.sawSettings && (!ok || settings.IsAck()) {
		return errProtocol
	}
	c.sawSettings = true
	if f, ok := f.(*http2.HeadersFrame); ok {
		return c.onHeaders(f)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.on(f)
}

// on takes a frame other than HEADERS. c.mu is held, also by the methods below.
func (c *Conn) on(f http2.Frame) error {
	switch f := f.(type) {
	case *http2.DataFrame:
		return c.onData(f)
	case *http2.WindowUpdateFrame:
		return c.onWindow(f)
	case *http2.RSTStreamFrame:
		return c.onReset(f)
	case *http2.SettingsFrame:
		return c.onSettings(f)
	case *http2.PingFrame:
		c.onPing(f)
	case *http2.PushPromiseFrame:
		return errProtocol // a client has nothing to push
	}
	return nil // PRIORITY has lost its meaning, GOAWAY ends nothing that runs, and the others are unknown
}

// hasNotBegun tells whether a stream is idle.
func (c *Conn) hasNotBegun(id uint32) bool { return id%2 == 0 || id > c.last }

func (c *Conn) onData(f *http2.DataFrame) error {
	id, n := f.StreamID, int(f.Length) // with the padding
	if c.hasNotBegun(id) {
		return errProtocol
	}
	if !c.inflow.take(n) {
		return errFlow
	}
	s := c.streams[id]
	switch {
	case s == nil || s.closed:
		c.giveBack(n)
		if c.leaving.without(id) || c.resets.had(id) {
			return nil // it cannot have known
		}
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeStreamClosed}
	case s.remoteEnded:
		c.giveBack(n)
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeStreamClosed}
	case !s.inflow.take(n):
		c.giveBack(n)
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeFlowControl}
	}
	data, ended := f.Data(), f.StreamEnded()
	if s.received += int64(len(data)); !s.fits(ended) {
		c.giveBack(n)
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeProtocol}
	}
	s.body.write(data)
	c.giveBack(n - len(data))
	s.remoteEnded = ended
	if !ended {
		c.tellWindow(id, s.inflow.give(n-len(data)))
	}
	wake(s.readable)
	return nil
}

func (c *Conn) onWindow(f *http2.WindowUpdateFrame) error {
	if f.StreamID == 0 {
		if !c.outflow.add(int64(f.Increment)) {
			return errFlow
		}
		c.wakeBlocked()
		return nil
	}
	if c.hasNotBegun(f.StreamID) {
		return errProtocol
	}
	s := c.streams[f.StreamID]
	if s == nil || s.closed {
		return nil
	}
	if !s.outflow.add(int64(f.Increment)) {
		return http2.StreamError{StreamID: s.id, Code: http2.ErrCodeFlowControl}
	}
	c.wakeBlocked()
	return nil
}

func (c *Conn) onReset(f *http2.RSTStreamFrame) error {
	if c.hasNotBegun(f.StreamID) {
		return errProtocol
	}
	if s := c.streams[f.StreamID]; s != nil {
		c.abandon(s, errReset)
	}
	return nil
}

func (c *Conn) onSettings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		if c.settingsBy.IsZero() {
			return errProtocol // of nothing
		}
		c.settingsBy = zeroTime
		return nil
	}
	if f.NumSettings() > mostSettings || f.HasDuplicates() {
		return errProtocol
	}
	if err := f.ForeachSetting(c.set); err != nil {
		return err
	}
	c.control(func(f *http2.Framer) error { return f.WriteSettingsAck() })
	return nil
}

func (c *Conn) set(s http2.Setting) error {
	if err := s.Valid(); err != nil {
		return err
	}
	switch s.ID {
	case http2.SettingHeaderTableSize:
		c.writer.limit(s.Val)
	case http2.SettingMaxFrameSize:
		c.frameSize = int(min(s.Val, mostSent))
	case http2.SettingInitialWindowSize:
		more := int64(s.Val) - int64(c.streamOutflow)
		c.streamOutflow = outflow(s.Val)
		for _, s := range c.streams {
			if !s.outflow.add(more) && !s.closed {
				return errFlow
			}
		}
		c.wakeBlocked()
	}
	return nil
}

func (c *Conn) onPing(f *http2.PingFrame) {
	switch {
	case !f.IsAck():
		data := f.Data
		c.control(func(f *http2.Framer) error { return f.WritePing(true, data) })
	case f.Data == drainPing:
		c.leave()
	}
}

// resets are the last streams that the server has reset: what the client has sent
// for one meanwhile is no error. As many as a client may have open can be unknown to it.
type resets struct {
	ids  []uint32
	next int // the oldest, once there are most
	most int
}

const leastResets = 32

func (r *resets) note(id uint32) {
	if len(r.ids) < r.most {
		r.ids = append(r.ids, id)
		return
	}
	r.ids[r.next] = id
	r.next = (r.next + 1) % r.most
}

func (r *resets) had(id uint32) bool {
	for _, had := range r.ids {
		if had == id {
			return true
		}
	}
	return false
}

// resetID resets a stream, of which there may be nothing (any more). c.mu is held.
func (c *Conn) resetID(id uint32, code http2.ErrCode) {
	if s := c.streams[id]; s != nil && !s.closed {
		c.reset(s, code)
		return
	}
	c.control(func(f *http2.Framer) error { return f.WriteRSTStream(id, code) })
	c.resets.note(id)
}

// everyStream is what GOAWAY names where no stream is refused yet.
const everyStream = math.MaxInt32
