package logentry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logqueue"
)

// Logger is a plugin that queues what Entry says about every request.
type Logger struct {
	queue *logqueue.Queue
	frame func(x *plugin.Exchange) []byte
}

// NewLogger makes a logger that hands batches to send. frame makes an entry of a
// request, nil where there is nothing to say of it; close frees what send keeps.
func NewLogger(c *entity.Plugin, d *plugin.Deps, q logqueue.Config, frame func(x *plugin.Exchange) []byte,
	send func(ctx context.Context, batch [][]byte) error, free func()) (*Logger, error) {
	if d.Queues == nil {
		return nil, errors.New(c.Name + ": this gateway has no queues")
	}
	queue := d.Queues.Queue(logqueue.Spec{Plugin: c.Name, Key: Key(c), Config: q, Send: send, Close: free})
	return &Logger{queue: queue, frame: frame}, nil
}

// Log queues the entry of a request.
func (l *Logger) Log(x *plugin.Exchange) {
	if entry := l.frame(x); entry != nil {
		l.queue.Add(entry)
	}
}

// ReadsTimes is plugin.TimesReader's: entries have the tries.
func (l *Logger) ReadsTimes() {}

// AddResources names the queue.
func (l *Logger) AddResources(r *plugin.Resources) { r.Queues = append(r.Queues, l.queue) }

// Declare exports the counters of a plugin's queues, with 0.
func Declare(name string) func(prometheus.Registerer) error {
	return func(reg prometheus.Registerer) error { return logqueue.Declare(reg, name) }
}

// WriteDatagrams sends each entry in a datagram of its own. One that is too long for
// a datagram is not worth another try.
func WriteDatagrams(conn net.Conn, entries [][]byte) error {
	for _, entry := range entries {
		if _, err := conn.Write(entry); err != nil {
			err = fmt.Errorf("send a log entry: %w", err)
			if errors.Is(err, syscall.EMSGSIZE) {
				return logqueue.Permanent(err)
			}
			return err
		}
	}
	return nil
}

var (
	_ plugin.LogPhase     = (*Logger)(nil)
	_ plugin.TimesReader  = (*Logger)(nil)
	_ plugin.ResourceUser = (*Logger)(nil)
)
