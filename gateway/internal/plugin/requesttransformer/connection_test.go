package requesttransformer

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

// TestAnEarlierRequestOfTheConnectionDoesNotCount has fields that the codec keeps
// apart: it leaves an empty value behind where a request before had one.
func TestAnEarlierRequestOfTheConnectionDoesNotCount(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "[%s %s %s %s]", r.Header["Content-Type"], r.Header["User-Agent"], r.Header["X-Ct"], r.Header["X-Ua"])
	})
	for _, tt := range []struct {
		config c
		want   string // of a request with neither field
	}{
		{c{"add": c{"headers": list("Content-Type:a/b", "User-Agent:a")}}, "[[a/b] [a] [] []]"},
		{c{"replace": c{"headers": list("Content-Type:a/b", "User-Agent:a")}}, "[[] [] [] []]"},
		{c{"rename": c{"headers": list("Content-Type:X-Ct", "User-Agent:X-Ua")}}, "[[] [] [] []]"},
		{
			c{"add": c{"headers": list("X-Ct:$(headers.content_type or 'none')", "X-Ua:$(headers.user_agent or 'none')")}},
			"[[] [] [none] [none]]",
		},
	} {
		g := plugintest.Start(t, maxBody, origin, []plugin.Definition{Definition()}, c{"name": "request-transformer", "config": tt.config})
		const without, with = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: a\r\nContent-Type: x/y\r\nUser-Agent: x\r\n\r\n"
		for _, text := range []string{without, with + without} {
			if got := g.Raw(t, text); !strings.HasSuffix(got, tt.want) {
				t.Errorf("%v: %s, want %s", tt.config, got, tt.want)
			}
		}
	}
}
