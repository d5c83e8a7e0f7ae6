package logline

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// String adds a text.
func (n *Line) String(key, v string) {
	n.key(key)
	if n.logger.text {
		n.b = appendText(n.b, v)
	} else {
		n.b = appendJSON(n.b, v)
	}
}

// Bytes adds a text.
func (n *Line) Bytes(key string, v []byte) {
	n.key(key)
	if n.logger.text {
		n.b = appendText(n.b, string(v))
	} else {
		n.b = appendJSON(n.b, v)
	}
}

// Int adds a number.
func (n *Line) Int(key string, v int64) {
	n.key(key)
	n.b = strconv.AppendInt(n.b, v, 10)
}

// Bool adds true or false.
func (n *Line) Bool(key string, v bool) {
	n.key(key)
	n.b = strconv.AppendBool(n.b, v)
}

// Seconds adds a duration, in seconds.
func (n *Line) Seconds(key string, d time.Duration) {
	n.key(key)
	if n.logger.text {
		n.b = strconv.AppendFloat(n.b, d.Seconds(), 'g', -1, 64)
	} else {
		n.b = appendFloat(n.b, d.Seconds())
	}
}

func (n *Line) key(key string) {
	if n.logger.text {
		n.b = append(n.b, ' ')
		n.b = append(n.b, key...)
		n.b = append(n.b, '=')
		return
	}
	n.b = append(n.b, ',', '"')
	n.b = append(n.b, key...)
	n.b = append(n.b, '"', ':')
}

// appendJSON: nearly all texts need no escape, and the others may cost what they do.
func appendJSON[T string | []byte](b []byte, v T) []byte {
	for i := range len(v) {
		if c := v[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return appendEscaped(b, string(v))
		}
	}
	b = append(b, '"')
	b = append(b, v...)
	return append(b, '"')
}

func appendEscaped(b []byte, v string) []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // a text can always be encoded
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}

// appendFloat is encoding/json's way to write numbers.
func appendFloat(b []byte, v float64) []byte {
	format := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	b = strconv.AppendFloat(b, v, format, -1, 64)
	if n := len(b); format == 'e' && n >= 4 && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' { // e-07 is e-7
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}

func appendText(b []byte, v string) []byte {
	if needsQuotes(v) {
		return strconv.AppendQuote(b, v)
	}
	return append(b, v...)
}

func needsQuotes(v string) bool {
	for _, r := range v {
		switch {
		case r == 0x7f: // slog writes it as it is
		case r <= ' ' || r == '"' || r == '=' || r == utf8.RuneError || unicode.IsSpace(r) || !unicode.IsPrint(r):
			return true
		}
	}
	return v == ""
}

// appendMillis is how slog's text has times.
func appendMillis(b []byte, t time.Time) []byte {
	return t.AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
}
