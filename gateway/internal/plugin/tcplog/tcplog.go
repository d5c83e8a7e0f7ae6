// Package tcplog is Kong's plugin tcp-log: it sends what is to say about a request
// to a TCP server, one line of JSON for each.
package tcplog

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logentry"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logqueue"
)

const name = "tcp-log"

// Definition declares the plugin.
func Definition() plugin.Definition {
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name: name,
			Config: append(logentry.ServerFields(),
				entity.Field{Name: "keepalive", Kind: entity.Number, Default: 60_000, Between: &[2]float64{0, entity.MaxTimeout}},
				entity.Field{Name: "tls", Kind: entity.Boolean, Required: true, Default: false},
				entity.Field{Name: "tls_sni", Kind: entity.String},
				logentry.CustomFields(),
			),
		},
		Priority: 7, New: newPlugin, RegisterMetrics: logentry.Declare(name),
	}
}

// config is the configuration as it is stored.
type config struct {
	logentry.Server

	Keepalive float64 `json:"keepalive"` // ms
	TLS       bool    `json:"tls"`
	TLSSNI    string  `json:"tls_sni"`
}

// server is where a queue sends to: only the queue's goroutine uses it.
type server struct {
	config
	conn net.Conn  // nil: not connected
	used time.Time // when conn was used last
}

func newPlugin(c *entity.Plugin, d *plugin.Deps) (plugin.Plugin, error) {
	s := &server{}
	if err := plugin.DecodeConfig(c, &s.config); err != nil {
		return nil, err
	}
	line := func(x *plugin.Exchange) []byte { return append(logentry.Encode(x), '\r', '\n') }
	return logentry.NewLogger(c, d, logqueue.Default(), line, s.send, s.close)
}

// send writes lines to the connection that is kept, or to a new one.
func (s *server) send(ctx context.Context, lines [][]byte) error {
	if s.conn != nil && time.Since(s.used) > time.Duration(s.Keepalive*float64(time.Millisecond)) {
		s.close()
	}
	if s.conn != nil && s.hasEnded() {
		s.close()
	}
	if s.conn == nil {
		if err := s.dial(ctx); err != nil {
			return fmt.Errorf("connect to the log server: %w", err)
		}
	}
	_ = s.conn.SetDeadline(time.Now().Add(s.TimeLimit()))
	buffers := net.Buffers(append([][]byte(nil), lines...)) // WriteTo changes it
	if _, err := buffers.WriteTo(s.conn); err != nil {
		s.close()
		return fmt.Errorf("write to the log server: %w", err)
	}
	s.used = time.Now()
	return nil
}

// hasEnded tells whether the server has closed a connection that was kept: the
// first write on it would succeed, and be lost.
func (s *server) hasEnded() bool {
	_ = s.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	var b [512]byte
	for {
		if _, err := s.conn.Read(b[:]); err != nil {
			timeout, ok := err.(net.Error) //nolint:errorlint // of the connection itself
			return !ok || !timeout.Timeout()
		}
	}
}

func (s *server) dial(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.TimeLimit())
	defer cancel()
	var (
		conn net.Conn
		err  error
	)
	if s.TLS {
		sni := s.TLSSNI
		if sni == "" {
			sni = s.Host
		}
		// As in Kong: collectors have certificates of their own making.
		d := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12, ServerName: sni, InsecureSkipVerify: true}} //nolint:gosec // see above
		conn, err = d.DialContext(ctx, "tcp", s.Address())
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", s.Address())
	}
	if err != nil {
		return err //nolint:wrapcheck // send does
	}
	s.conn = conn
	return nil
}

func (s *server) close() {
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
}
