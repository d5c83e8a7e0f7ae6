package airatelimiting

import (
	"encoding/json"
	"slices"
)

// usage is how many tokens a request took.
type usage struct {
	prompt, completion, total int64
	told                      bool // by the upstream
}

// all is the total, which not every provider tells.
func (u usage) all() int64 { return max(u.total, u.prompt+u.completion) }

// mostTokens is the highest figure that is believed, for one request.
const mostTokens = 1 << 32

// merge takes over what a later message of the same answer tells.
func (u *usage) merge(text []byte) {
	var in struct {
		PromptTokens     *int64 `json:"prompt_tokens"`
		CompletionTokens *int64 `json:"completion_tokens"`
		TotalTokens      *int64 `json:"total_tokens"`
		InputTokens      *int64 `json:"input_tokens"`
		OutputTokens     *int64 `json:"output_tokens"`
	}
	if json.Unmarshal(text, &in) != nil {
		return
	}
	take := func(to *int64, of ...*int64) {
		for _, n := range of {
			if n == nil {
				continue
			}
			u.told = true
			if *n > 0 { // a later message may leave out what an earlier one told, as 0
				*to = min(*n, mostTokens)
			}
		}
	}
	take(&u.prompt, in.PromptTokens, in.InputTokens)
	take(&u.completion, in.CompletionTokens, in.OutputTokens)
	take(&u.total, in.TotalTokens)
}

const (
	mostUsage = 16 << 10 // bytes of a usage object that are kept
	mostKey   = 16       // bytes of a key that are kept: longer than those that matter
	looksAt   = 2        // how many levels deep keys matter
)

// usageScanner finds usage in a JSON text that comes in pieces: the member "usage" of the outermost object, or of its members "message"
// and "response". Text within strings is never taken for one. It keeps only the member itself.
type usageScanner struct {
	found usage

	depth           int
	object          [looksAt + 1]bool // by depth: an object, not an array
	inside          bool              // the value of "message" or "response" is read
	key             []byte
	inString, isKey bool
	escaped         bool
	wantsKey        bool
	capture         []byte
	captureDepth    int // of the value that is captured; 0: none is
}

// reset makes the scanner ready for another text. What was found stays.
func (s *usageScanner) reset() {
	*s = usageScanner{found: s.found, key: s.key[:0], capture: s.capture[:0]}
}

// write reads a piece.
func (s *usageScanner) write(p []byte) {
	for _, c := range p {
		if s.captureDepth > 0 && len(s.capture) < mostUsage {
			s.capture = append(s.capture, c)
		}
		if s.inString {
			s.inText(c)
			continue
		}
		switch c {
		case '"':
			s.inString = true
			s.isKey = s.wantsKey
			s.wantsKey = false
			if s.isKey {
				s.key = s.key[:0]
			}
		case '{', '[':
			s.open(c)
		case '}', ']':
			s.close()
		case ',':
			s.wantsKey = s.depth >= 1 && s.depth <= looksAt && s.object[s.depth]
		}
	}
}

// inText reads a byte of a string.
func (s *usageScanner) inText(c byte) {
	switch {
	case s.escaped:
		s.escaped = false
	case c == '\\':
		s.escaped = true
	case c == '"':
		s.inString = false
		if s.isKey && s.depth == 1 {
			s.inside = string(s.key) == "message" || string(s.key) == "response"
		}
		return
	}
	if s.isKey && len(s.key) <= mostKey {
		s.key = append(s.key, c)
	}
}

func (s *usageScanner) open(c byte) {
	if c == '{' && s.captureDepth == 0 && s.isUsage() {
		s.captureDepth = s.depth + 1
		s.capture = append(s.capture[:0], c)
	}
	s.depth++
	if s.depth <= looksAt {
		s.object[s.depth] = c == '{'
		s.wantsKey = c == '{'
	}
}

// isUsage reports whether the value that begins is that of a member "usage" that counts.
func (s *usageScanner) isUsage() bool {
	if s.depth < 1 || s.depth > looksAt || !s.object[s.depth] || string(s.key) != "usage" {
		return false
	}
	return s.depth == 1 || s.inside
}

func (s *usageScanner) close() {
	if s.captureDepth > 0 && s.depth == s.captureDepth {
		s.found.merge(s.capture)
		s.captureDepth = 0
	}
	s.depth = max(0, s.depth-1)
	s.wantsKey = false
	if s.depth <= looksAt {
		s.key = s.key[:0]
	}
}

// eventScanner finds usage in an event stream (text/event-stream), and counts its events.
type eventScanner struct {
	usageScanner
	events int64 // with data

	line    []byte // the beginning of the line, as long as it may be "data:"
	isData  bool   // the rest of the line is data
	skips   bool   // the rest of the line is of another field
	content bool   // the event has data
	cr      bool   // the byte before was a carriage return, which may be half of a line's end
}

const dataField = "data:"

func (s *eventScanner) write(p []byte) {
	for len(p) > 0 {
		if s.isData {
			end := slices.IndexFunc(p, isLineEnd)
			if end < 0 {
				s.usageScanner.write(p)
				return
			}
			s.usageScanner.write(p[:end])
			p = p[end:]
		}
		s.byte(p[0])
		p = p[1:]
	}
}

func isLineEnd(c byte) bool { return c == '\n' || c == '\r' }

// byte reads a byte that is no data.
func (s *eventScanner) byte(c byte) {
	half := s.cr && c == '\n'
	s.cr = c == '\r'
	switch {
	case half:
	case isLineEnd(c):
		if !s.isData && !s.skips && len(s.line) == 0 && s.content {
			s.events++
			s.content = false
			s.reset()
		}
		s.isData, s.skips = false, false
		s.line = s.line[:0]
	case s.skips:
	default:
		s.line = append(s.line, c)
		n := len(s.line)
		if string(s.line) != dataField[:n] {
			s.skips = true
		} else if n == len(dataField) {
			s.isData, s.content = true, true
		}
	}
}
