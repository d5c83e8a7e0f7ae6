package workload

import (
	"encoding/json"
	"math"
	"strings"
	"time"
)

// parseKong reads what Kong's file-log plugin writes, and others of its log plugins: one JSON object a line.
func parseKong(b []byte, _ Options, take func(record)) error {
	return eachJSON(b, take, func(line []byte) (record, bool) {
		var l struct {
			Started float64 `json:"started_at"` // milliseconds
			Request struct {
				Method  string                     `json:"method"`
				URI     string                     `json:"uri"`
				Headers map[string]json.RawMessage `json:"headers"`
			} `json:"request"`
		}
		if err := json.Unmarshal(line, &l); err != nil || l.Request.Method == "" || l.Request.URI == "" {
			return record{}, false
		}
		r := logged(l.Request.Method, l.Request.URI, seconds(l.Started/1000))
		if len(l.Request.Headers) > 0 {
			r.trimmed = append(r.trimmed, trimLogHeader)
		}
		return r, true
	})
}

// parseCaddy reads Caddy's access log in JSON, one object a line. Lines of other loggers are no requests and are left out.
func parseCaddy(b []byte, _ Options, take func(record)) error {
	return eachJSON(b, take, func(line []byte) (record, bool) {
		var l struct {
			Time    json.RawMessage `json:"ts"` // seconds, or a text
			Request struct {
				Method  string                     `json:"method"`
				URI     string                     `json:"uri"`
				Headers map[string]json.RawMessage `json:"headers"`
			} `json:"request"`
		}
		if err := json.Unmarshal(line, &l); err != nil || l.Request.Method == "" || l.Request.URI == "" {
			return record{}, false
		}
		r := logged(l.Request.Method, l.Request.URI, caddyTime(l.Time))
		if len(l.Request.Headers) > 0 {
			r.trimmed = append(r.trimmed, trimLogHeader)
		}
		return r, true
	})
}

// caddyTime reads the formats of time that Caddy's encoder can be set to and that name an instant; zero for others.
func caddyTime(raw json.RawMessage) time.Time {
	var s float64
	if json.Unmarshal(raw, &s) == nil {
		switch { // unix_milli_float and unix_nano are later than the year 5000 in seconds
		case s > 1e17:
			s /= 1e9
		case s > 1e11:
			s /= 1e3
		}
		return seconds(s)
	}
	text := strings.Trim(string(raw), `"`)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.000Z0700", "02/Jan/2006:15:04:05 -0700"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at
		}
	}
	return time.Time{}
}

// seconds is an instant in seconds since 1970; zero if there is none.
func seconds(s float64) time.Time {
	if !(s > 0 && s < 1e11) {
		return time.Time{}
	}
	whole, part := math.Modf(s)
	return time.Unix(int64(whole), int64(part*1e9))
}
