package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

func TestEarlyHintsPass(t *testing.T) {
	origin := server(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1") // of this connection alone
		w.WriteHeader(http.StatusProcessing)
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		_, _ = io.WriteString(w, "hello")
	})
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	secure := "https://" + g.listen(t, Protocols{TLS: true, HTTP2: true})
	for name, c := range map[string]struct {
		client *http.Client
		url    string
	}{"HTTP/1.1": {http.DefaultClient, g.url}, "HTTP/2": {http2Client(t, true), secure}} {
		for range 2 { // the second on a kept connection
			var got []string
			req, _ := http.NewRequest(http.MethodGet, c.url, nil)
			trace := &httptrace.ClientTrace{Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
				got = append(got, fmt.Sprint(status, h["Link"], h["Connection"], h["X-Hop"]))
				return nil
			}}
			res, err := c.client.Do(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			res.Body.Close()
			want := "[102 [</style.css>; rel=preload] [] [] 103 [</style.css>; rel=preload] [] []]"
			if fmt.Sprint(got) != want || res.StatusCode != 200 || string(body) != "hello" || res.Header.Get("Link") != "" {
				t.Errorf("%s: %v, then %d %q %v; want %s", name, got, res.StatusCode, body, res.Header, want)
			}
		}
	}
}

// An interim answer must not overtake the answer to an earlier request.
func TestEarlyHintsKeepTheOrderOfAPipeline(t *testing.T) {
	origin := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/2" {
			w.WriteHeader(http.StatusEarlyHints)
		}
		_, _ = io.WriteString(w, r.URL.Path)
	})
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	words := "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	if _, err := io.WriteString(conn, words); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	first, second := strings.Index(string(all), "\r\n\r\n/1"), strings.Index(string(all), "\r\n\r\n/2")
	hint := strings.Index(string(all), "103 Early")
	if first < 0 || second < first || hint >= 0 && hint < first {
		t.Errorf("answered %q", all)
	}
}

func TestInterimAnswersAreBounded(t *testing.T) {
	origin := server(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 100 {
			w.WriteHeader(http.StatusEarlyHints)
		}
	})
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	all, _ := io.ReadAll(conn)
	if n := strings.Count(string(all), "103 Early"); n > 64 || !strings.Contains(string(all), "HTTP/1.1 502") {
		t.Errorf("%d interim answers, then %.200q", n, all[strings.LastIndex(string(all), "HTTP/1.1"):])
	}
}
