package airatelimiting

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func scan(text string, piece int) usage {
	var s usageScanner
	for len(text) > 0 {
		n := min(piece, len(text))
		s.write([]byte(text[:n]))
		text = text[n:]
	}
	return s.found
}

func TestUsageIsFound(t *testing.T) {
	for _, row := range []struct {
		name, text string
		want       usage
	}{
		{"at the end", `{"choices":[{"message":{}}],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}}`, usage{7, 5, 12, true}},
		{"other names", `{"usage": {"input_tokens": 3, "output_tokens": 4}, "x": 1}`, usage{3, 4, 0, true}},
		{"in a message", `{"type":"message_start","message":{"id":"a","usage":{"input_tokens":9}}}`, usage{9, 0, 0, true}},
		{"in a response", `{"response":{"usage":{"output_tokens":2,"total_tokens":3}}}`, usage{0, 2, 3, true}},
		{"details within", `{"usage":{"prompt_tokens":7,"details":{"cached":"}"},"completion_tokens":1}}`, usage{7, 1, 0, true}},
		{"none", `{"usage":null}`, usage{}},
		{"in a text", `{"content":"\"usage\":{\"total_tokens\":9}","a":{"usage":{"total_tokens":5}}}`, usage{}},
		{"in a list", `[{"usage":{"total_tokens":5}}]`, usage{}},
		{"deeper", `{"message":{"a":{"usage":{"total_tokens":5}}}}`, usage{}},
		{"a value that is called so", `{"a":"usage","b":{"total_tokens":5}}`, usage{}},
		{"negative", `{"usage":{"total_tokens":-5}}`, usage{told: true}},
		{"nothing", `{"usage":{"total_tokens":0}}`, usage{told: true}},
		{"absurd", `{"usage":{"total_tokens":9000000000000}}`, usage{total: mostTokens, told: true}},
		{"no number", `{"usage":{"total_tokens":"many"}}`, usage{}},
	} {
		for _, piece := range []int{1, 3, 1000} {
			if got := scan(row.text, piece); got != row.want {
				t.Errorf("%s, in pieces of %d: %+v, want %+v", row.name, piece, got, row.want)
			}
		}
	}
}

func TestUsageOfEvents(t *testing.T) {
	text := ": comment\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n" +
		"event: x\r\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":8}}}\r\n\r\n" +
		"data: {\"type\":\"message_delta\",\ndata: \"usage\":{\"output_tokens\":6}}\n\ndatum: {\"usage\":{\"total_tokens\":99}}\n\n" +
		"data: [DONE]\n\n"
	for _, piece := range []int{1, 2, 7, 1000} {
		var s eventScanner
		for rest := text; rest != ""; {
			n := min(piece, len(rest))
			s.write([]byte(rest[:n]))
			rest = rest[n:]
		}
		if want := (usage{8, 6, 0, true}); s.found != want || s.events != 4 || s.found.all() != 14 {
			t.Errorf("pieces of %d: %+v, %d events", piece, s.found, s.events)
		}
	}
}

// FuzzUsage compares the scanner with a decoder of whole texts.
func FuzzUsage(f *testing.F) {
	f.Add([]byte(`{"a":[1,"\\"],"usage":{"prompt_tokens":7,"completion_tokens":5}}`), 3)
	f.Add([]byte(`{"message":{"usage":{"input_tokens":1}},"usage":{}}`), 1)
	f.Fuzz(func(t *testing.T, text []byte, piece int) {
		if piece < 1 || len(text) > 1<<16 {
			return
		}
		got := scan(string(text), piece)
		var s eventScanner
		s.write(text)
		var whole map[string]json.RawMessage
		if json.Unmarshal(text, &whole) != nil || strings.Contains(string(text), `\`) || duplicates(text) {
			return
		}
		var want usage
		for _, parent := range []string{"message", "response"} {
			var in map[string]json.RawMessage
			if json.Unmarshal(whole[parent], &in) == nil && strings.HasPrefix(strings.TrimSpace(string(in["usage"])), "{") {
				want.merge(in["usage"])
			}
		}
		if usage := whole["usage"]; strings.HasPrefix(strings.TrimSpace(string(usage)), "{") {
			want.merge(usage)
		}
		// With usage in two places the order in the text decides.
		if n := strings.Count(string(text), `"usage"`); n < 2 && got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	})
}

// duplicates reports whether a key may be there twice: decoders take the last.
func duplicates(text []byte) bool {
	for _, key := range []string{"message", "response"} {
		if strings.Count(string(text), fmt.Sprintf("%q", key)) > 1 {
			return true
		}
	}
	return false
}
