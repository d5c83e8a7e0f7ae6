// Package udplog is Kong's plugin udp-log: it sends what is to say about a request
// in a datagram of JSON.
package udplog

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logentry"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logqueue"
)

const name = "udp-log"

// Definition declares the plugin.
func Definition() plugin.Definition {
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name:   name,
			Config: append(logentry.ServerFields(), logentry.CustomFields()),
		},
		Priority: 8, New: newPlugin, RegisterMetrics: logentry.Declare(name),
	}
}

// server is the configuration as it is stored.
type server struct{ logentry.Server }

func newPlugin(c *entity.Plugin, d *plugin.Deps) (plugin.Plugin, error) {
	s := &server{}
	if err := plugin.DecodeConfig(c, &s.Server); err != nil {
		return nil, err
	}
	// One at a time: a batch that fails half-way would be sent twice.
	q := logqueue.Default()
	q.MaxBatchSize = 1
	return logentry.NewLogger(c, d, q, logentry.Encode, s.send, nil)
}

// send looks the host up each time, as it may move: there is no connection that
// would tell. An entry that is too long for a datagram is dropped at once.
func (s *server) send(ctx context.Context, batch [][]byte) error {
	ctx, cancel := context.WithTimeout(ctx, s.TimeLimit())
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", s.Address())
	if err != nil {
		return fmt.Errorf("find the log server: %w", err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(s.TimeLimit()))
	return logentry.WriteDatagrams(conn, batch)
}
