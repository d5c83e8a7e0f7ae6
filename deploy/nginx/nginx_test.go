package nginx_test

import (
	"strings"
	"testing"
	"time"

	"gatelab/deploy/nginx"
)

func config() nginx.Config {
	return nginx.Config{
		Listen: ":8000", Status: ":8100", Upstreams: []string{"gateway-1:8000", "gateway-2:8000"},
		Method: "least_conn", Keepalive: 64, MaxFails: 3, FailTimeout: 30 * time.Second, Retries: true,
	}
}

// directives are the lines without comments and indentation.
func directives(conf []byte) string {
	var lines []string
	for line := range strings.Lines(string(conf)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

func TestRender(t *testing.T) {
	for _, c := range []struct {
		name          string
		change        func(*nginx.Config)
		have, haveNot []string
	}{
		{"all of it", func(*nginx.Config) {}, []string{
			"listen 8000 reuseport backlog=4096;", "listen 8100;", "least_conn;", "worker_processes auto;",
			"server gateway-1:8000 max_fails=3 fail_timeout=30s;\nserver gateway-2:8000 max_fails=3 fail_timeout=30s;",
			"keepalive 64;", `proxy_set_header Connection "";`, "proxy_next_upstream error timeout;",
			"proxy_next_upstream_tries 2;", "access_log off;",
		}, []string{"non_idempotent", "proxy_next_upstream off;"}},
		{"round robin is nginx's own", func(c *nginx.Config) { c.Method = "round_robin" }, nil, []string{"least_conn", "round_robin"}},
		{"without keep-alive each request has its own connection", func(c *nginx.Config) { c.Keepalive = 0 }, nil, []string{"keepalive 0", "proxy_set_header Connection", "keepalive_timeout 30s"}},
		{"without retries the first error is the answer", func(c *nginx.Config) { c.Retries = false }, []string{"proxy_next_upstream off;"}, []string{"proxy_next_upstream_tries"}},
		{"replicas that are all out are used all the same", func(*nginx.Config) {}, []string{"server gateway-1:8000 max_fails=0 backup;\nserver gateway-2:8000 max_fails=0 backup;"}, nil},
		{"one replica is never out", func(c *nginx.Config) { c.Upstreams = c.Upstreams[:1] }, nil, []string{"backup"}},
		{"no fail time-out leaves nginx's default", func(c *nginx.Config) { c.FailTimeout = 0; c.MaxFails = 0 }, []string{"server gateway-1:8000 max_fails=0;"}, []string{"fail_timeout"}},
		{"a limit of cores is one of processes", func(c *nginx.Config) { c.Workers = 1 }, []string{"worker_processes 1;"}, []string{"auto"}},
		{"a hung replica costs an idempotent request a second", func(c *nginx.Config) { c.Idempotent = time.Second; c.Connect = 250 * time.Millisecond }, []string{
			"error_page 418 = @once;", "proxy_read_timeout 1000ms;", "proxy_read_timeout 60s;", "proxy_connect_timeout 250ms;", "location @once {",
			"error_page 502 504 = @patient;", "location @patient {", "proxy_read_timeout 2000ms;",
		}, nil},
		{"who does not retry does not ask a silent replica again", func(c *nginx.Config) { c.Idempotent, c.Retries = time.Second, false }, []string{"@once"}, []string{"@patient"}},
		{"no time-out of their own: one place for all methods", func(*nginx.Config) {}, []string{"proxy_connect_timeout 500ms;"}, []string{"@once", "418", "@patient"}},
		{"loopback addresses", func(c *nginx.Config) { c.Listen = "127.0.0.1:8000" }, []string{"listen 127.0.0.1:8000 reuseport"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config()
			c.change(&cfg)
			conf, err := nginx.Render(cfg)
			if err != nil {
				t.Fatal(err)
			}
			text := directives(conf)
			for _, want := range c.have {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
			for _, unwanted := range c.haveNot {
				if strings.Contains(text, unwanted) {
					t.Errorf("%q in\n%s", unwanted, text)
				}
			}
			if strings.Count(text, "{") != strings.Count(text, "}") {
				t.Errorf("braces do not match in\n%s", text)
			}
		})
	}
}

func TestRenderRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*nginx.Config)
		want   string
	}{
		{"nothing to balance", func(c *nginx.Config) { c.Upstreams = nil }, "upstreams: none given"},
		{"an unknown method", func(c *nginx.Config) { c.Method = "random" }, `balance: "random" is not allowed: want round_robin or least_conn`},
		{"keep-alive below none", func(c *nginx.Config) { c.Keepalive = -1 }, "keepalive: -1 is not allowed: want 0 or more"},
		{"fails below none", func(c *nginx.Config) { c.MaxFails = -1 }, "max_fails: -1 is not allowed: want 0 or more"},
		{"half a second", func(c *nginx.Config) { c.FailTimeout = 500 * time.Millisecond }, "fail_timeout: 500ms is not allowed: want whole seconds, 0 or more"},
		{"a time-out below none", func(c *nginx.Config) { c.Idempotent = -1 }, "idempotent_timeout: -1ns is not allowed: want whole milliseconds, 0 or more"},
		{"half a millisecond", func(c *nginx.Config) { c.Connect = 500 * time.Microsecond }, "connect_timeout: 500µs is not allowed: want whole milliseconds, 0 or more"},
		{"processes below none", func(c *nginx.Config) { c.Workers = -1 }, "workers: -1 is not allowed: want 0 or more"},
		{"an address without a port", func(c *nginx.Config) { c.Status = "8100" }, `address: "8100" is not allowed: want host:port`},
		{"an address that is a directive", func(c *nginx.Config) { c.Upstreams[0] = "x:1; include /etc/passwd; #:1" }, `address: "x:1; include /etc/passwd; #:1" is not allowed: want host:port`},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config()
			c.change(&cfg)
			if _, err := nginx.Render(cfg); err == nil || err.Error() != c.want {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
}
