package cache

import (
	"bytes"
	"strings"
)

// acceptEncoding is the field that chooses among encoded variants.
const acceptEncoding = "accept-encoding"

// codings are the codings in a Content-Encoding, lower-case and joined by commas;
// "" where the body is as it is.
func codings(values [][]byte) string {
	var list []string
	for _, v := range values {
		for item := range strings.SplitSeq(string(v), ",") {
			if c := sameCoding(strings.ToLower(strings.TrimSpace(item))); c != "" && c != "identity" {
				list = append(list, c)
			}
		}
	}
	return strings.Join(list, ",")
}

// sameCoding is the one name of a coding that has two (RFC 9110, 8.4.1).
func sameCoding(c string) string {
	switch c {
	case "x-gzip":
		return "gzip"
	case "x-compress":
		return "compress"
	}
	return c
}

// AcceptedBy tells whether a request's Accept-Encoding allows the codings of the
// entry's body. A request without the field takes none: RFC 9110, 12.5.3 lets
// such a one be answered in any coding, but what one client's request brought is
// no answer to another that did not ask for it.
func (e *Entry) AcceptedBy(request Headers) bool {
	if e.Encoding == "" {
		return true
	}
	accepted := request.PeekAll("Accept-Encoding")
	for c := range strings.SplitSeq(e.Encoding, ",") {
		if !accepts(accepted, c) {
			return false
		}
	}
	return true
}

// accepts finds a coding in an Accept-Encoding: by its name, else by "*". Where
// it is there twice, a refusal counts.
func accepts(values [][]byte, coding string) bool {
	const (
		unsaid = iota
		yes
		no
	)
	named, star := unsaid, unsaid
	for _, v := range values {
		for item := range bytes.SplitSeq(v, []byte{','}) {
			name, params, _ := bytes.Cut(item, []byte{';'})
			say := &named
			switch got := sameCoding(strings.ToLower(string(bytes.TrimSpace(name)))); got {
			case coding:
			case "*":
				say = &star
			default:
				continue
			}
			if weighsNothing(params) {
				*say = no
			} else if *say == unsaid {
				*say = yes
			}
		}
	}
	if named == unsaid {
		named = star
	}
	return named == yes
}

// weighsNothing tells whether parameters have a weight of 0, or one that is no
// weight.
func weighsNothing(params []byte) bool {
	for p := range bytes.SplitSeq(params, []byte{';'}) {
		name, value, ok := bytes.Cut(p, []byte{'='})
		if !bytes.EqualFold(bytes.TrimSpace(name), []byte("q")) {
			continue
		}
		value = bytes.TrimSpace(value)
		if !ok || len(value) == 0 || value[0] != '0' && value[0] != '1' {
			return true
		}
		if value[0] == '0' && len(bytes.Trim(value, "0.")) == 0 {
			return true
		}
	}
	return false
}
