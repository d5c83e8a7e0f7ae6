package nginx_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/deploy/nginx"
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
		{
			name: "all of it", change: func(*nginx.Config) {},
			have: []string{
				"listen 8000 reuseport backlog=4096;", "listen 8100;", "least_conn;", "worker_processes auto;",
				"server gateway-1:8000 max_fails=3 fail_timeout=30s;\nserver gateway-2:8000 max_fails=3 fail_timeout=30s;",
				"keepalive 64;", `proxy_set_header Connection "";`, "proxy_next_upstream error timeout;",
				"proxy_next_upstream_tries 2;", "access_log off;",
			},
			haveNot: []string{"non_idempotent", "proxy_next_upstream off;"},
		},
		{
			name: "round robin is nginx's default", change: func(c *nginx.Config) { c.Method = "round_robin" },
			haveNot: []string{"least_conn", "round_robin"},
		},
		{
			name: "without keep-alive each request has its own connection", change: func(c *nginx.Config) { c.Keepalive = 0 },
			haveNot: []string{"keepalive 0", "proxy_set_header Connection", "keepalive_timeout 30s"},
		},
		{
			name: "without retries the first error is the response", change: func(c *nginx.Config) { c.Retries = false },
			have: []string{"proxy_next_upstream off;"}, haveNot: []string{"proxy_next_upstream_tries"},
		},
		{
			name: "replicas are used even if all have failed", change: func(*nginx.Config) {},
			have: []string{"server gateway-1:8000 max_fails=0 backup;\nserver gateway-2:8000 max_fails=0 backup;"},
		},
		{
			name: "a single replica is never ejected", change: func(c *nginx.Config) { c.Upstreams = c.Upstreams[:1] },
			haveNot: []string{"backup"},
		},
		{
			name: "no fail time-out leaves nginx's default", change: func(c *nginx.Config) { c.FailTimeout = 0; c.MaxFails = 0 },
			have: []string{"server gateway-1:8000 max_fails=0;"}, haveNot: []string{"fail_timeout"},
		},
		{
			name: "a limit of cores is one of processes", change: func(c *nginx.Config) { c.Workers = 1 },
			have: []string{"worker_processes 1;"}, haveNot: []string{"auto"},
		},
		{
			name: "a hung replica delays an idempotent request by a second",
			change: func(c *nginx.Config) {
				c.Idempotent = time.Second
				c.Connect = 250 * time.Millisecond
			},
			have: []string{
				"error_page 418 = @once;", "proxy_read_timeout 1000ms;", "proxy_read_timeout 60s;", "proxy_connect_timeout 250ms;",
				"location @once {", "error_page 502 504 = @patient;", "location @patient {", "proxy_read_timeout 2000ms;",
			},
		},
		{
			name:   "without retries a request to a silent replica is not retried",
			change: func(c *nginx.Config) { c.Idempotent, c.Retries = time.Second, false },
			have:   []string{"@once"}, haveNot: []string{"@patient"},
		},
		{
			name: "without a time-out of idempotent requests there is one location", change: func(*nginx.Config) {},
			have: []string{"proxy_connect_timeout 500ms;"}, haveNot: []string{"@once", "418", "@patient"},
		},
		{
			name: "loopback addresses", change: func(c *nginx.Config) { c.Listen = "127.0.0.1:8000" },
			have: []string{"listen 127.0.0.1:8000 reuseport"},
		},
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
		{
			name: "nothing to balance", change: func(c *nginx.Config) { c.Upstreams = nil },
			want: "upstreams: none given",
		},
		{
			name: "an unknown method", change: func(c *nginx.Config) { c.Method = "random" },
			want: `balance: "random" is not allowed: want round_robin or least_conn`,
		},
		{
			name: "keep-alive below none", change: func(c *nginx.Config) { c.Keepalive = -1 },
			want: "keepalive: -1 is not allowed: want 0 or more",
		},
		{
			name: "fails below none", change: func(c *nginx.Config) { c.MaxFails = -1 },
			want: "max_fails: -1 is not allowed: want 0 or more",
		},
		{
			name: "half a second", change: func(c *nginx.Config) { c.FailTimeout = 500 * time.Millisecond },
			want: "fail_timeout: 500ms is not allowed: want whole seconds, 0 or more",
		},
		{
			name: "a time-out below none", change: func(c *nginx.Config) { c.Idempotent = -1 },
			want: "idempotent_timeout: -1ns is not allowed: want whole milliseconds, 0 or more",
		},
		{
			name: "half a millisecond", change: func(c *nginx.Config) { c.Connect = 500 * time.Microsecond },
			want: "connect_timeout: 500µs is not allowed: want whole milliseconds, 0 or more",
		},
		{
			name: "processes below none", change: func(c *nginx.Config) { c.Workers = -1 },
			want: "workers: -1 is not allowed: want 0 or more",
		},
		{
			name: "an address without a port", change: func(c *nginx.Config) { c.Status = "8100" },
			want: `address: "8100" is not allowed: want host:port`,
		},
		{
			name: "an address that is a directive", change: func(c *nginx.Config) { c.Upstreams[0] = "x:1; include /etc/passwd; #:1" },
			want: `address: "x:1; include /etc/passwd; #:1" is not allowed: want host:port`,
		},
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
