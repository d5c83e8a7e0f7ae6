// Package syslog is Kong's plugin syslog: it tells the machine's syslog daemon
// what is to say about a request, in JSON.
package syslog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logentry"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logqueue"
)

const name = "syslog"

// sockets are where daemons listen.
var sockets = []string{"/dev/log", "/var/run/syslog", "/var/run/log"}

// severities are RFC 5424's, by their number.
var severities = []any{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

// facilities are RFC 5424's, by their number; "" has no name in Kong.
var facilities = []any{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "", "", "", "",
	"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

// Definition declares the plugin.
func Definition() plugin.Definition { return definition(sockets) }

func definition(sockets []string) plugin.Definition {
	severity := func(name string) entity.Field {
		return entity.Field{Name: name, Kind: entity.String, Required: true, Default: "info", OneOf: severities}
	}
	named := slices.DeleteFunc(slices.Clone(facilities), func(f any) bool { return f == "" })
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name: name,
			Config: []entity.Field{
				severity("log_level"), severity("successful_severity"),
				severity("client_errors_severity"), severity("server_errors_severity"),
				logentry.CustomFields(),
				{Name: "facility", Kind: entity.String, Required: true, Default: "user", OneOf: named},
			},
		},
		Priority: 4, RegisterMetrics: logentry.Declare(name),
		New: func(c *entity.Plugin, d *plugin.Deps) (plugin.Plugin, error) { return newPlugin(c, d, sockets) },
	}
}

// config is the configuration as it is stored.
type config struct {
	LogLevel             string `json:"log_level"`
	SuccessfulSeverity   string `json:"successful_severity"`
	ClientErrorsSeverity string `json:"client_errors_severity"`
	ServerErrorsSeverity string `json:"server_errors_severity"`
	Facility             string `json:"facility"`
}

func newPlugin(c *entity.Plugin, d *plugin.Deps, sockets []string) (plugin.Plugin, error) {
	var in config
	if err := plugin.DecodeConfig(c, &in); err != nil {
		return nil, err
	}
	facility, level := slices.Index(facilities, any(in.Facility)), number(in.LogLevel)
	success, client := number(in.SuccessfulSeverity), number(in.ClientErrorsSeverity)
	server := number(in.ServerErrorsSeverity)
	frame := func(x *plugin.Exchange) []byte {
		severity := success
		switch status := x.Ctx.Response.StatusCode(); {
		case status >= 500:
			severity = server
		case status >= 400:
			severity = client
		}
		if severity > level {
			return nil
		}
		// The form of the C library, which daemons expect on their socket.
		return fmt.Appendf(nil, "<%d>%s kong[%d]: %s", facility<<3|severity, time.Now().Format(time.Stamp), os.Getpid(), logentry.Encode(x))
	}
	q := logqueue.Default()
	q.MaxBatchSize = 1
	return logentry.NewLogger(c, d, q, frame, (&daemon{sockets: sockets}).send, nil)
}

func number(severity string) int { return slices.Index(severities, any(severity)) }

// daemon is the machine's.
type daemon struct{ sockets []string }

// sendTimeout bounds how long a daemon that does not read is waited for.
const sendTimeout = 5 * time.Second

// send connects each time: a daemon that was started anew has another socket.
func (d *daemon) send(ctx context.Context, batch [][]byte) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	errs := make([]error, 0, len(d.sockets))
	for _, path := range d.sockets {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unixgram", path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(sendTimeout))
		return logentry.WriteDatagrams(conn, batch)
	}
	return fmt.Errorf("no syslog daemon listens: %w", errors.Join(errs...))
}
