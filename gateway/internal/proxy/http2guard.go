package proxy

import "time"

// What a client has sent too much of.
const (
	abuseResets       = "resets"
	abuseControl      = "control"
	abuseEmpty        = "empty_data"
	abuseContinuation = "continuation"
)

// badPadding is what see names a header whose padding is longer than its frame
// (RFC 9113, 6.2): the codec would end the stream only, with a part of the header
// missing from its tables.
const badPadding = "bad padding"

// Frames that a client may send at once, and per second from then on.
const (
	resetsAtOnce  = 400 // requests taken back
	resetsRate    = 100
	controlAtOnce = 10_000 // PING, SETTINGS, PRIORITY and unknown ones
	controlRate   = 1000
	emptyAtOnce   = 1000 // DATA with nothing in it that does not end a stream
	emptyRate     = 100

	mostContinuations = 64 // in one header
)

const (
	prefaceLength = 24
	frameHeader   = 9

	frameData         = 0x0
	frameHeaders      = 0x1
	frameReset        = 0x3
	frameWindowUpdate = 0x8
	frameContinuation = 0x9

	flagEndStream  = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20

	priorityBytes = 5
)

// frameGuard follows the frames in what a client sends.
type frameGuard struct {
	skip int // bytes of the preface or of a payload that are still to come
	head [frameHeader]byte
	have int // bytes of head

	header      bool // a header has begun and has not ended
	headerEnds  bool // with the payload that is coming
	headerSince time.Time
	fragments   int
	padded      bool // the next byte is the length of the header's padding
	room        int  // for it

	resets, control, empty bucket
	now                    func() time.Time
}

func (g *frameGuard) begin(now time.Time) {
	g.skip = prefaceLength
	g.now = time.Now
	g.resets = bucket{left: resetsAtOnce, most: resetsAtOnce, rate: resetsRate, at: now}
	g.control = bucket{left: controlAtOnce, most: controlAtOnce, rate: controlRate, at: now}
	g.empty = bucket{left: emptyAtOnce, most: emptyAtOnce, rate: emptyRate, at: now}
}

// inFrame tells whether a frame has begun and not ended.
func (g *frameGuard) inFrame() bool { return g.skip > 0 || g.have > 0 }

// inHeader tells whether a header has begun and not ended.
func (g *frameGuard) inHeader() bool { return g.header }

// see looks at the next bytes, and names what there is too much of.
func (g *frameGuard) see(b []byte) (abuse string) {
	for len(b) > 0 {
		if g.skip > 0 {
			if g.padded {
				g.padded = false
				if int(b[0]) > g.room {
					return badPadding
				}
			}
			n := min(g.skip, len(b))
			g.skip -= n
			b = b[n:]
			g.payloadEnded()
			continue
		}
		n := copy(g.head[g.have:], b)
		g.have += n
		b = b[n:]
		if g.have < frameHeader {
			break
		}
		g.have = 0
		g.skip = int(g.head[0])<<16 | int(g.head[1])<<8 | int(g.head[2])
		if abuse := g.frame(g.head[3], g.head[4]); abuse != "" {
			return abuse
		}
		g.payloadEnded()
	}
	return ""
}

func (g *frameGuard) payloadEnded() {
	if g.skip == 0 && g.headerEnds {
		g.header, g.headerEnds = false, false
	}
}

// frame looks at a frame's header; its payload has g.skip bytes.
func (g *frameGuard) frame(kind, flags byte) (abuse string) {
	g.padded = false
	switch kind {
	case frameHeaders:
		g.header, g.headerSince = true, g.now()
		g.headerEnds = flags&flagEndHeaders != 0
		g.fragments = 0
		g.padded, g.room = flags&flagPadded != 0, g.skip-1
		if flags&flagPriority != 0 {
			g.room -= priorityBytes
		}
	case frameContinuation:
		g.headerEnds = flags&flagEndHeaders != 0
		if g.fragments++; g.fragments > mostContinuations {
			return abuseContinuation
		}
	case frameData:
		if g.skip == 0 && flags&flagEndStream == 0 && !g.empty.take(g.now) {
			return abuseEmpty
		}
	case frameReset:
		if !g.resets.take(g.now) {
			return abuseResets
		}
	case frameWindowUpdate: // one for each frame of an answer, or more
	default:
		if !g.control.take(g.now) {
			return abuseControl
		}
	}
	return ""
}

// bucket holds what may be done at once, and fills again with time.
type bucket struct {
	left, most float64
	rate       float64 // per second
	at         time.Time
}

// take asks the clock only once the bucket is empty.
func (b *bucket) take(now func() time.Time) bool {
	if b.left < 1 {
		t := now()
		b.left = min(b.most, b.left+b.rate*t.Sub(b.at).Seconds())
		b.at = t
	}
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}
