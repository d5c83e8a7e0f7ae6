package origin_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// chatOnce returns the usage in the answer of a chat, the answer, and whether it came to its end.
func chatOnce(t *testing.T, client *http.Client, base, body string) (usage map[string]int, text string, whole bool) {
	t.Helper()
	res, err := client.Post(base+"/v1/chat/completions", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	for line := range strings.Lines(string(raw)) {
		var in struct {
			Usage map[string]int `json:"usage"`
		}
		if json.Unmarshal([]byte(strings.TrimPrefix(strings.TrimSpace(line), "data: ")), &in) == nil && in.Usage != nil {
			usage = in.Usage
		}
	}
	return usage, string(raw), err == nil
}

func TestUsageIsTold(t *testing.T) {
	o, base, client := serve(t, config())
	const message = `"messages":[{"role":"user"}]` // 15 bytes: 4 tokens
	for _, row := range []struct{ name, body string }{
		{"JSON", `{"max_tokens":7,` + message + `}`},
		{"stream", `{"stream":true,"stream_options":{"include_usage":true},"max_tokens":7,` + message + `}`},
	} {
		usage, text, _ := chatOnce(t, client, base, row.body)
		if usage["prompt_tokens"] != 4 || usage["completion_tokens"] != 7 || usage["total_tokens"] != 11 {
			t.Errorf("%s: %v in %s", row.name, usage, text)
		}
	}
	if usage, text, _ := chatOnce(t, client, base, `{"stream":true,`+message+`}`); usage != nil {
		t.Errorf("a stream that was not asked for usage: %s", text)
	}
	await(t, func() bool { s := o.Stats(); return s.PromptTokens == 12 && s.CompletionTokens == 7+7+16 })
}

func TestTokenRateAndBrokenStreams(t *testing.T) {
	c := config()
	c.FirstToken, c.TokenRate = 50*time.Millisecond, 200
	_, base, client := serve(t, c)
	const order = `{"stream":true,"max_tokens":11,"messages":[1]}`
	began := time.Now()
	if _, text, whole := chatOnce(t, client, base, order); !whole || strings.Count(text, "data: ") != 12 {
		t.Errorf("got %s", text)
	}
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("a first token after 50 ms and ten more at 200 per second came in %s", took)
	}
	c.BreakRate = 1
	o, base, client := serve(t, c)
	if _, text, whole := chatOnce(t, client, base, order); whole || strings.Count(text, "data: ") > 5 {
		t.Errorf("whole %v: %s", whole, text)
	}
	await(t, func() bool {
		s := o.Stats()
		return s.StreamsBroken == 1 && s.CompletionTokens == 5 && s.ChatInFlight == 0
	})
}
