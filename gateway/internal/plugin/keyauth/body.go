package keyauth

import (
	"bytes"
	"encoding/json"
	"mime"
	"slices"
	"strings"
)

// bodyKind is how a body holds its fields.
type bodyKind uint8

const (
	otherBody bodyKind = iota
	formBody
	multipartBody
	jsonBody
)

// kindOf reads a Content-Type; boundary is multipart's.
func kindOf(contentType []byte) (kind bodyKind, boundary string) {
	if len(contentType) == 0 {
		return otherBody, ""
	}
	name, params, err := mime.ParseMediaType(string(contentType))
	if err != nil {
		return otherBody, ""
	}
	switch name {
	case "application/x-www-form-urlencoded":
		return formBody, ""
	case "application/json":
		return jsonBody, ""
	case "multipart/form-data":
		if b := params["boundary"]; b != "" && len(b) <= 70 { // RFC 2046, 5.1.1
			return multipartBody, b
		}
	}
	return otherBody, ""
}

// member is one named value in a body, and where it lies.
type member struct {
	name       string
	value      []byte // nil where it is no text
	start, end int
}

// findMember looks for a name among members. A value that is no text is none.
func findMember(members []member, name string) (s occurrence) {
	for i := range members {
		if members[i].name != name {
			continue
		}
		if members[i].value != nil {
			s.add(members[i].value)
		} else if s.is == absent {
			s.is = bare
		}
	}
	return s
}

// jsonMembers are the members of a body that is a JSON object, nil of any other.
func jsonMembers(body []byte) []member {
	if !json.Valid(body) {
		return nil
	}
	at := skipSpace(body, 0)
	if body[at] != '{' {
		return nil
	}
	members := []member{}
	for at = skipSpace(body, at+1); body[at] != '}'; {
		m := member{start: at}
		end := skipJSON(body, at)
		m.name = jsonText(body[at:end])
		at = skipSpace(body, end)  // the colon
		at = skipSpace(body, at+1) // the value
		m.end = skipJSON(body, at) //
		if raw := body[at:m.end]; raw[0] == '"' {
			m.value = []byte(jsonText(raw))
		}
		members = append(members, m)
		if at = skipSpace(body, m.end); body[at] == ',' {
			at = skipSpace(body, at+1)
		}
	}
	return members
}

// jsonText decodes a string of valid JSON.
func jsonText(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	var s string
	_ = json.Unmarshal(raw, &s) // it was found valid
	return s
}

func skipSpace(body []byte, at int) int {
	for at < len(body) && strings.IndexByte(" \t\r\n", body[at]) >= 0 {
		at++
	}
	return at
}

// skipJSON is where the value that begins at at ends; the text is valid.
func skipJSON(body []byte, at int) int {
	depth := 0
	for ; at < len(body); at++ {
		switch c := body[at]; c {
		case '"':
			for at++; body[at] != '"'; at++ {
				if body[at] == '\\' {
					at++
				}
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth == 0 {
				return at
			}
			depth--
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return at
			}
			continue
		default: // a number or a word: up to what ends it
			continue
		}
		if depth == 0 {
			return at + 1
		}
	}
	return at
}

// dropMembers is a JSON object without the members of some names; the other
// bytes stay as they are.
func dropMembers(body []byte, members []member, names []string) []byte {
	rest := append(make([]byte, 0, len(body)), body[:members[0].start]...)
	left := false
	for i, m := range members {
		if slices.Contains(names, m.name) {
			continue
		}
		if left { // with the comma, and the space around it, that came before
			rest = append(rest, body[members[i-1].end:m.start]...)
		}
		rest, left = append(rest, body[m.start:m.end]...), true
	}
	return append(rest, body[members[len(members)-1].end:]...)
}

// parts are those of a multipart body, each from its delimiter to the next one.
// A part that no delimiter ends is not among them.
func parts(body []byte, boundary string) (list []member) {
	delimiter := []byte("--" + boundary)
	start, head := nextDelimiter(body, 0, delimiter)
	for start >= 0 && head >= 0 {
		next, after := nextDelimiter(body, head, delimiter)
		if next < 0 {
			break
		}
		m := member{start: start, end: next}
		if header, content, ok := bytes.Cut(body[head:next], []byte("\r\n\r\n")); ok {
			m.name = partName(header)
			m.value = bytes.TrimSuffix(content, []byte("\r\n"))
			if m.value == nil {
				m.value = []byte{}
			}
		}
		list = append(list, m)
		start, head = next, after
	}
	return list
}

// nextDelimiter finds the next line that is a delimiter: where it begins, and
// where what follows it does, -1 after the last delimiter.
func nextDelimiter(body []byte, from int, delimiter []byte) (start, after int) {
	for at := from; at < len(body); {
		i := bytes.Index(body[at:], delimiter)
		if i < 0 {
			return -1, -1
		}
		start, at = at+i, at+i+len(delimiter)
		if start > 0 && !bytes.HasSuffix(body[:start], []byte("\r\n")) {
			continue
		}
		if bytes.HasPrefix(body[at:], []byte("--")) {
			return start, -1
		}
		end := at
		for end < len(body) && (body[end] == ' ' || body[end] == '\t') {
			end++
		}
		if bytes.HasPrefix(body[end:], []byte("\r\n")) {
			return start, end + 2
		}
	}
	return -1, -1
}

// partName reads the name in a part's Content-Disposition.
func partName(header []byte) string {
	for line := range bytes.SplitSeq(header, []byte("\r\n")) {
		field, value, ok := bytes.Cut(line, []byte{':'})
		if !ok || !bytes.EqualFold(field, []byte("Content-Disposition")) {
			continue
		}
		if kind, params, err := mime.ParseMediaType(string(value)); err == nil && kind == "form-data" {
			return params["name"]
		}
		return ""
	}
	return ""
}

// dropParts is a multipart body without the parts of some names.
func dropParts(body []byte, list []member, names []string) []byte {
	rest := make([]byte, 0, len(body))
	at := 0
	for _, m := range list {
		if slices.Contains(names, m.name) {
			rest = append(rest, body[at:m.start]...)
			at = m.end
		}
	}
	return append(rest, body[at:]...)
}
