package workload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var (
	openAPILine = regexp.MustCompile(`(?m)^["']?openapi["']?\s*:`)
	curlLine    = regexp.MustCompile(`(?m)^\s*(?:\$\s+)?curl(?:\.exe)?\s`)
	targetLine  = regexp.MustCompile(`^[A-Z]{3,10} (?:https?://|/)\S*\s*$`)
)

// detect tells a format by the first thing in the source that is no comment.
func detect(b []byte, o Options) (string, error) {
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	if o.Template != "" {
		return FormatCSV, nil
	}
	first := ""
	for line := range strings.Lines(string(b[:min(len(b), maxTarget*4)])) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			first = line
			break
		}
	}
	switch {
	case first == "":
		return "", errors.New("the source is empty: want requests in one of the formats " + strings.Join(Formats(), ", "))
	case first[0] == '{':
		if format := detectJSON(b); format != "" {
			return format, nil
		}
	case combinedLine.MatchString(first):
		return FormatCombined, nil
	case targetLine.MatchString(first):
		return FormatVegeta, nil
	case curlLine.Match(b):
		return FormatCurl, nil
	case openAPILine.Match(b):
		return FormatOpenAPI, nil
	}
	hint := ""
	if strings.Contains(first, ",") {
		hint = "; a CSV of variables needs --template 'METHOD PATH [BODY]'"
	}
	return "", fmt.Errorf("the format cannot be told from %.60q: name it with --format, one of %s%s",
		first, strings.Join(Formats(), ", "), hint)
}

// detectJSON tells a format by the keys of the first object; empty if none of ours has them.
func detectJSON(b []byte) string {
	var keys map[string]json.RawMessage
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&keys); err != nil {
		return ""
	}
	has := func(names ...string) bool {
		for _, n := range names {
			if _, ok := keys[n]; !ok {
				return false
			}
		}
		return true
	}
	switch {
	case has("openapi"):
		return FormatOpenAPI
	case has("log"):
		return FormatHAR
	case has("request", "started_at"), has("request", "latencies"):
		return FormatKong
	case has("request", "ts"), has("request", "status"):
		return FormatCaddy
	case has("method", "url"):
		return FormatVegetaJSON
	}
	return ""
}
