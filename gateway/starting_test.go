package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A replica that waits for Postgres must not leave those waiting who connect.
func TestWhoConnectsDuringTheStartIsAnswered(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s, _, err := load([]string{"--proxy-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--status-listen=127.0.0.1:0",
		"--pg-dsn=postgres://gateway@" + silent.Addr().String() + "/gateway?sslmode=disable"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newProgram(&s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, c := range []struct{ name, url, want string }{
		{"a client", "http://" + p.listeners.proxy.Addr().String() + "/x", "no configuration yet"},
		{"an administrator", "http://" + p.listeners.admin.Addr().String() + "/services", "Postgres has not answered yet"},
		{"a balancer", "http://" + p.listeners.status.Addr().String() + "/health/ready", "no configuration yet"},
	} {
		res, err := client.Get(c.url)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), c.want) {
			t.Errorf("%s: %d %s, want 503 and %q", c.name, res.StatusCode, body, c.want)
		}
	}
	cancel()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("a start that was ended is no success")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the start does not end")
	}
}
