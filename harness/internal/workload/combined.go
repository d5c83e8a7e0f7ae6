package workload

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// combinedLine matches a line of the combined log format, and of the common one; nginx's, Kong's and Apache's. What follows the size may be
// anything.
var combinedLine = regexp.MustCompile(
	`^\S+ \S+ .*?\[(\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4})\] "((?:[^"\\]|\\.)*)" \d{3} (?:\d+|-)`)

// parseCombined reads an access log in the combined format.
func parseCombined(b []byte, _ Options, take func(record)) error {
	good := 0
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		m := combinedLine.FindStringSubmatch(line)
		if m == nil {
			take(record{leftOut: reasonLine})
			continue
		}
		good++
		// The request line as it was sent, or what a scanner sent in its place.
		parts := strings.Split(m[2], " ")
		if len(parts) < 2 || len(parts) > 3 {
			take(record{leftOut: reasonScheme})
			continue
		}
		at, err := time.Parse("02/Jan/2006:15:04:05 -0700", m[1])
		if err != nil {
			at = time.Time{}
		}
		take(logged(parts[0], unescapeLog(parts[1]), at))
	}
	if good == 0 {
		return fmt.Errorf(`no line is a request: want lines as in 192.0.2.1 - - [02/Jan/2006:15:04:05 +0000] "GET /path HTTP/1.1" 200 512`)
	}
	return nil
}

// logEscape matches what nginx writes for quotes, backslashes and bytes that are not printable.
var logEscape = regexp.MustCompile(`\\x[0-9A-Fa-f]{2}|\\["\\]`)

// unescapeLog is a target as it was sent.
func unescapeLog(s string) string {
	return logEscape.ReplaceAllStringFunc(s, func(e string) string {
		if e[1] != 'x' {
			return e[1:]
		}
		b, err := hex.DecodeString(e[2:])
		if err != nil {
			return e // the pattern has two hexadecimal digits
		}
		return string(b)
	})
}

// logged is the request of a line of a log.
func logged(method, target string, at time.Time) record {
	r := record{method: method, target: target, at: at, log: true}
	if method == "POST" || method == "PUT" || method == "PATCH" {
		r.trimmed = append(r.trimmed, trimLogBody)
	}
	return r
}
