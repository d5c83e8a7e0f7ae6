// Package correlationid is Kong's plugin correlation-id: it gives a request an id
// that the upstream and, if wanted, the client are told.
package correlationid

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/transform"
)

// The generators.
const (
	byUUID    = "uuid"
	byCounter = "uuid#counter"
	byTracker = "tracker"
)

// Definition declares the plugin.
func Definition() plugin.Definition {
	g := &generator{process: uuid.NewString()}
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name: "correlation-id",
			Config: []entity.Field{
				{Name: "header_name", Kind: entity.String, Match: "header", Default: "Kong-Request-ID"},
				{
					Name: "generator", Kind: entity.String, Required: true, Default: byCounter,
					OneOf: []any{byUUID, byCounter, byTracker},
				},
				{Name: "echo_downstream", Kind: entity.Boolean, Required: true, Default: false},
			},
			Checks: []entity.Check{{Run: checkName}},
		},
		Priority: 100001,
		New: func(c *entity.Plugin, _ *plugin.Deps) (plugin.Plugin, error) {
			p := &correlation{generator: g}
			return p, plugin.DecodeConfig(c, &p.config)
		},
	}
}

// checkName refuses fields that say how a message is sent, or for whom.
func checkName(c entity.Record) map[string]any {
	name, ok := c["header_name"].(string)
	if !ok {
		return nil
	}
	message := transform.NamesField(name, "")
	if strings.EqualFold(name, "host") {
		message = "header 'host' says whom a request is for, and cannot be an id"
	}
	if message == "" {
		return nil
	}
	return map[string]any{"header_name": message}
}

// generator makes ids; it lasts as long as the process, so that none comes twice.
type generator struct {
	process string
	count   atomic.Uint64
}

func (g *generator) next(kind string, x *plugin.Exchange) string {
	switch kind {
	case byUUID:
		return uuid.NewString()
	case byTracker:
		host, port, err := net.SplitHostPort(x.Ctx.LocalAddr().String())
		if err != nil {
			host, port = "", "" // no address of TCP
		}
		now := float64(time.Now().UnixMilli()) / 1000
		return fmt.Sprintf("%s-%s-%d-%d-%d-%0.3f", host, port, os.Getpid(), x.Ctx.ConnID(), x.Ctx.ConnRequestNum(), now)
	}
	return g.process + "#" + strconv.FormatUint(g.count.Add(1), 10)
}

// config is the configuration as it is stored.
type config struct {
	HeaderName     string `json:"header_name"`
	Generator      string `json:"generator"`
	EchoDownstream bool   `json:"echo_downstream"`
}

type correlation struct {
	config
	generator *generator
}

// Access keeps the id that the client has sent, and makes one where there is none.
func (c *correlation) Access(x *plugin.Exchange) (answered bool) {
	h := &x.Ctx.Request.Header
	id := string(h.Peek(c.HeaderName))
	if id == "" {
		id = c.generator.next(c.Generator, x)
	}
	plugin.SetField(h, c.HeaderName, id) // one id, not what else came by that name
	if c.EchoDownstream {
		x.Ctx.SetUserValue(c, id)
	}
	return false
}

// HeaderFilter tells the client.
func (c *correlation) HeaderFilter(x *plugin.Exchange) {
	if id, ok := x.Ctx.UserValue(c).(string); ok {
		x.Ctx.Response.Header.Set(c.HeaderName, id)
	}
}

var (
	_ plugin.AccessPhase       = (*correlation)(nil)
	_ plugin.HeaderFilterPhase = (*correlation)(nil)
)
