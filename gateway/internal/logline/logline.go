// Package logline writes log lines in the formats of slog's two handlers, at a lower
// cost: without a record, a look at the stack, and an encoder for numbers. It is for the
// access log, which has a line per request.
package logline

import (
	"io"
	"log/slog"
	"sync"
	"time"
)

// The formats.
const (
	JSON = "json"
	Text = "text"
)

// keptLine is how long a buffer may be to serve again, in bytes.
const keptLine = 16 << 10

// Logger writes lines. It may be used by several goroutines; each line is one call of
// the writer's Write, whose errors are not told.
type Logger struct {
	to    io.Writer
	text  bool
	level slog.Level
	fixed []byte // what With has added
}

// New makes a logger of lines that have at least this level. Every format but Text is JSON.
func New(to io.Writer, format string, level slog.Level) *Logger {
	return &Logger{to: to, text: format == Text, level: level}
}

// With returns a logger whose lines have one more attribute, before their own.
func (l *Logger) With(key, value string) *Logger {
	if l == nil {
		return nil
	}
	out := *l
	line := Line{logger: l, b: append([]byte(nil), l.fixed...)}
	line.String(key, value)
	out.fixed = line.b
	return &out
}

// Enabled tells whether lines of a level are written. A nil Logger writes none.
func (l *Logger) Enabled(level slog.Level) bool { return l != nil && level >= l.level }

// Line is one that is being made. Its methods add attributes in the order of the calls.
type Line struct {
	logger *Logger
	b      []byte
}

var lines = sync.Pool{New: func() any { return &Line{b: make([]byte, 0, 512)} }}

// Begin begins a line, which End must write. The message and all keys must be of
// characters that need no escape.
func (l *Logger) Begin(level slog.Level, now time.Time, message string) *Line {
	n := lines.Get().(*Line)
	n.logger = l
	if l.text {
		n.b = append(n.b, "time="...)
		n.b = appendMillis(n.b, now)
		n.b = append(n.b, " level="...)
		n.b = append(n.b, level.String()...)
		n.b = append(n.b, " msg="...)
		n.b = append(n.b, message...)
	} else {
		n.b = append(n.b, `{"time":"`...)
		n.b = now.AppendFormat(n.b, time.RFC3339Nano)
		n.b = append(n.b, `","level":"`...)
		n.b = append(n.b, level.String()...)
		n.b = append(n.b, `","msg":"`...)
		n.b = append(n.b, message...)
		n.b = append(n.b, '"')
	}
	n.b = append(n.b, l.fixed...)
	return n
}

// End writes the line, which must not be used afterwards.
func (n *Line) End() {
	if !n.logger.text {
		n.b = append(n.b, '}')
	}
	n.b = append(n.b, '\n')
	_, _ = n.logger.to.Write(n.b)
	n.logger = nil
	if cap(n.b) <= keptLine {
		n.b = n.b[:0]
		lines.Put(n)
	}
}
