// Package nginx renders the configuration of the load balancer.
package nginx

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"strings"
	"text/template"
	"time"
)

//go:embed nginx.conf.tmpl
var source string

// Config is what differs between load balancers. Everything else, with the reasons,
// is in the template.
type Config struct {
	Listen, Status string        // host:port or :port
	Upstreams      []string      // host:port of each replica
	Method         string        // round_robin (also ""), least_conn
	Keepalive      int           // idle connections per worker process; 0: a new connection per request
	MaxFails       int           // 0: a replica is never ejected
	FailTimeout    time.Duration // whole seconds; 0 is nginx's default of 10 s
	Retries        bool          // retry idempotent requests on another replica
	Connect        time.Duration // time limit for connecting to a replica, whole milliseconds; 0 is 500 ms
	Idempotent     time.Duration // longest silence of a replica after a GET or HEAD, whole milliseconds; 0: as after others
	Workers        int           // processes; 0: one per core
}

// Patient is the longest silence of a replica after a GET that two others did not
// respond to in time.
func (c Config) Patient() time.Duration { return 2 * c.Idempotent }

// Render checks the configuration and writes it as an nginx.conf.
func Render(c Config) ([]byte, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if c.Connect == 0 {
		c.Connect = 500 * time.Millisecond
	}
	t, err := template.New("nginx.conf").Funcs(template.FuncMap{
		"listen": listen, "seconds": func(d time.Duration) int64 { return int64(d / time.Second) },
		"milliseconds": func(d time.Duration) int64 { return d.Milliseconds() },
	}).Parse(source)
	if err != nil {
		return nil, fmt.Errorf("parse the template: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, c); err != nil {
		return nil, fmt.Errorf("render: %w", err)
	}
	return b.Bytes(), nil
}

func (c Config) validate() error {
	switch {
	case len(c.Upstreams) == 0:
		return errors.New("upstreams: none given")
	case c.Method != "" && c.Method != "round_robin" && c.Method != "least_conn":
		return fmt.Errorf("balance: %q is not allowed: want round_robin or least_conn", c.Method)
	case c.Keepalive < 0:
		return fmt.Errorf("keepalive: %d is not allowed: want 0 or more", c.Keepalive)
	case c.MaxFails < 0:
		return fmt.Errorf("max_fails: %d is not allowed: want 0 or more", c.MaxFails)
	case c.FailTimeout < 0 || c.FailTimeout%time.Second != 0:
		return fmt.Errorf("fail_timeout: %s is not allowed: want whole seconds, 0 or more", c.FailTimeout)
	case c.Connect < 0 || c.Connect%time.Millisecond != 0:
		return fmt.Errorf("connect_timeout: %s is not allowed: want whole milliseconds, 0 or more", c.Connect)
	case c.Idempotent < 0 || c.Idempotent%time.Millisecond != 0:
		return fmt.Errorf("idempotent_timeout: %s is not allowed: want whole milliseconds, 0 or more", c.Idempotent)
	case c.Workers < 0:
		return fmt.Errorf("workers: %d is not allowed: want 0 or more", c.Workers)
	}
	for _, a := range append([]string{c.Listen, c.Status}, c.Upstreams...) {
		// After a blank or a semicolon, the rest would be another directive.
		if _, _, err := net.SplitHostPort(a); err != nil || strings.ContainsAny(a, " \t\r\n;{}\"'$\\#") {
			return fmt.Errorf("address: %q is not allowed: want host:port", a)
		}
	}
	return nil
}

// listen formats an address for nginx's listen directive.
func listen(addr string) string {
	return strings.TrimPrefix(addr, ":")
}
