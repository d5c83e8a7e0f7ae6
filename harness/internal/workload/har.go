package workload

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// harFile is what is read of a HAR file, version 1.2.
type harFile struct {
	Log struct {
		Entries []harEntry `json:"entries"`
	} `json:"log"`
}

type harEntry struct {
	Started   string          `json:"startedDateTime"`
	WebSocket json.RawMessage `json:"_webSocketMessages"`
	Request   struct {
		Method  string     `json:"method"`
		URL     string     `json:"url"`
		Headers []harField `json:"headers"`
		Post    *harPost   `json:"postData"`
	} `json:"request"`
}

type harField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type harPost struct {
	MimeType string     `json:"mimeType"`
	Text     string     `json:"text"`
	Encoding string     `json:"encoding"`
	Params   []harField `json:"params"`
}

// thinkTime is the pause from which a person rather than a page is waited for.
const thinkTime = time.Second

// parseHAR reads a HAR file, as browsers export it.
func parseHAR(b []byte, _ Options, take func(record)) error {
	var f harFile
	if err := json.Unmarshal(bytes.TrimPrefix(b, []byte("\ufeff")), &f); err != nil {
		return fmt.Errorf("JSON: %w", err)
	}
	if len(f.Log.Entries) == 0 {
		return fmt.Errorf("log.entries: is empty: want requests")
	}
	var last time.Time
	for _, e := range f.Log.Entries {
		r := record{method: e.Request.Method, target: e.Request.URL}
		if at, err := time.Parse(time.RFC3339Nano, e.Started); err == nil {
			r.at = at
			if !last.IsZero() && at.Sub(last) > thinkTime {
				r.trimmed = append(r.trimmed, trimPause)
			}
			last = at
		}
		if len(e.WebSocket) > 0 {
			r.leftOut = reasonScheme
		}
		for _, h := range e.Request.Headers {
			r.header = append(r.header, field{name: h.Name, value: h.Value})
		}
		if e.Request.Post != nil {
			e.Request.Post.body(&r)
		}
		take(r)
	}
	return nil
}

// body puts the body that was sent into a record.
func (p *harPost) body(r *record) {
	if p.MimeType != "" && !slices.ContainsFunc(r.header, func(f field) bool { return strings.EqualFold(f.name, "Content-Type") }) {
		r.header = append(r.header, field{name: "Content-Type", value: p.MimeType})
	}
	kind := strings.ToLower(p.MimeType)
	switch {
	case strings.HasPrefix(kind, "multipart/"):
		r.leftOut = reasonForm
	case p.Encoding == "base64":
		b, err := base64.StdEncoding.DecodeString(p.Text)
		if err != nil {
			r.leftOut = reasonBinary
		}
		r.body = string(b)
	case p.Text == "" && len(p.Params) > 0:
		var pairs []string
		for _, f := range p.Params {
			pairs = append(pairs, url.QueryEscape(f.Name)+"="+url.QueryEscape(f.Value))
		}
		r.body = strings.Join(pairs, "&")
	default:
		r.body = p.Text
	}
}
