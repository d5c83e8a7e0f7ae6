package airatelimiting

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

// BenchmarkStream is a whole stream of 200 events over real sockets, with and without the plugin: what counting costs. The origin's and the
// client's work is in both.
func BenchmarkStream(b *testing.B) {
	const events = 200
	var text strings.Builder
	for i := range events {
		fmt.Fprintf(&text, "data: {\"choices\":[{\"delta\":{\"content\":\"token %d\"}}],\"usage\":null}\n\n", i)
	}
	text.WriteString(`data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":200,"total_tokens":209}}`)
	text.WriteString("\n\ndata: [DONE]\n\n")
	origin := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, text.String())
	})
	counted := entity.Record{"name": name, "config": entity.Record{"limit": []any{maxLimit}, "window_size": []any{year}, "identifier": "ip"}}
	for _, c := range []struct {
		name    string
		plugins []entity.Record
	}{{"plain", nil}, {"counted", []entity.Record{counted}}} {
		b.Run(c.name, func(b *testing.B) {
			g := plugintest.Start(b, 0, origin, []plugin.Definition{Definition()}, c.plugins...)
			b.SetBytes(int64(text.Len()))
			b.ReportAllocs()
			for b.Loop() {
				body := `{"model":"m","stream":true,"max_tokens":200}`
				if res, got := g.Send(b, http.MethodPost, "/", body); res.StatusCode != http.StatusOK || len(got) != text.Len() {
					b.Fatalf("status %d, %d bytes", res.StatusCode, len(got))
				}
			}
		})
	}
}
