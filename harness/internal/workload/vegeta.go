package workload

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// beginsTarget matches the line with which a target of vegeta's http format begins.
var beginsTarget = regexp.MustCompile(`^[A-Za-z]+\s+\S+$`)

// parseVegeta reads vegeta's http format: METHOD URL, then lines of headers, then @file with the body, then an empty line.
func parseVegeta(b []byte, o Options, take func(record)) error {
	var r *record
	flush := func() {
		if r != nil {
			take(*r)
		}
		r = nil
	}
	targets := 0
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		name, value, isHeader := strings.Cut(line, ":")
		switch {
		case strings.HasPrefix(line, "#"):
		case line == "":
			flush()
		case r != nil && strings.HasPrefix(line, "@"):
			r.body, r.leftOut = readBody(o, line[1:])
		case beginsTarget.MatchString(line) && (r == nil || !isHeader || strings.ContainsAny(name, " \t")):
			flush()
			method, target, _ := strings.Cut(line, " ")
			r = &record{method: method, target: strings.TrimSpace(target)}
			targets++
		case r != nil && isHeader:
			r.header = append(r.header, field{name: name, value: value})
		default:
			flush()
			take(record{leftOut: reasonLine})
		}
	}
	flush()
	if targets == 0 {
		return fmt.Errorf("no target: want lines as in GET http://host/path")
	}
	return nil
}

// readBody reads a body from a file that a source names.
func readBody(o Options, name string) (body, leftOut string) {
	if o.Files == nil {
		return "", reasonFile
	}
	f, err := o.Files.Open(strings.TrimPrefix(name, "./"))
	if err != nil {
		return "", reasonFile
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return "", reasonFile
	} else if info.Size() > maxBody {
		return "", reasonBody
	}
	b, err := fs.ReadFile(o.Files, strings.TrimPrefix(name, "./"))
	if err != nil {
		return "", reasonFile
	}
	return string(b), ""
}

// parseVegetaJSON reads vegeta's JSON format, one object a line with the body in base64.
func parseVegetaJSON(b []byte, _ Options, take func(record)) error {
	return eachJSON(b, take, func(line []byte) (record, bool) {
		var t struct {
			Method string              `json:"method"`
			URL    string              `json:"url"`
			Body   string              `json:"body"`
			Header map[string][]string `json:"header"`
		}
		if err := json.Unmarshal(line, &t); err != nil || t.Method == "" || t.URL == "" {
			return record{}, false
		}
		body, err := base64.StdEncoding.DecodeString(t.Body)
		if err != nil {
			return record{}, false
		}
		r := record{method: t.Method, target: t.URL, body: string(body)}
		for _, name := range slices.Sorted(maps.Keys(t.Header)) {
			for _, value := range t.Header[name] {
				r.header = append(r.header, field{name: name, value: value})
			}
		}
		return r, true
	})
}

// eachJSON gives each line of JSON to read, and counts those that it does not take.
func eachJSON(b []byte, take func(record), read func(line []byte) (record, bool)) error {
	good := 0
	for line := range bytes.Lines(b) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		r, ok := read(line)
		if !ok {
			r = record{leftOut: reasonLine}
		} else {
			good++
		}
		take(r)
	}
	if good == 0 {
		return fmt.Errorf("no line is a request: want one JSON object a line")
	}
	return nil
}
