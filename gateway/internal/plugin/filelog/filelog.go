// Package filelog is Kong's plugin file-log: it appends what is to say about a
// request to a file, one line of JSON for each.
package filelog

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logentry"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logqueue"
)

const name = "file-log"

// Definition declares the plugin.
func Definition() plugin.Definition {
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name: name,
			Config: []entity.Field{
				{Name: "path", Kind: entity.String, Required: true, Match: "filename"},
				{Name: "reopen", Kind: entity.Boolean, Required: true, Default: false},
				logentry.CustomFields(),
			},
		},
		Priority: 9, New: newPlugin, RegisterMetrics: logentry.Declare(name),
	}
}

// config is the configuration as it is stored.
type config struct {
	Path   string `json:"path"`
	Reopen bool   `json:"reopen"`
}

// mode lets the gateway's user and group read, as Kong does.
const mode = 0o640

// file is the file of a queue: only the queue's goroutine uses it.
type file struct {
	config
	open *os.File // nil: not open
}

func newPlugin(c *entity.Plugin, d *plugin.Deps) (plugin.Plugin, error) {
	f := &file{}
	if err := plugin.DecodeConfig(c, &f.config); err != nil {
		return nil, err
	}
	line := func(x *plugin.Exchange) []byte { return append(logentry.Encode(x), '\n') }
	return logentry.NewLogger(c, d, logqueue.Default(), line, f.write, f.close)
}

// buffers hold a batch while it is written: the lines of one stay together.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// write appends lines. With reopen the file is opened anew each time, so that one
// that was moved away is made again.
func (f *file) write(_ context.Context, lines [][]byte) error {
	if f.Reopen {
		f.close()
	}
	if f.open == nil {
		// The administrator chooses the path.
		open, err := os.OpenFile(f.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, mode) //nolint:gosec // see above
		if err != nil {
			return fmt.Errorf("open the log file: %w", err)
		}
		f.open = open
	}
	b, _ := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(b)
	b.Reset()
	for _, line := range lines {
		b.Write(line)
	}
	if _, err := f.open.Write(b.Bytes()); err != nil {
		f.close()
		return fmt.Errorf("write the log file: %w", err)
	}
	return nil
}

func (f *file) close() {
	if f.open != nil {
		_ = f.open.Close()
		f.open = nil
	}
}
