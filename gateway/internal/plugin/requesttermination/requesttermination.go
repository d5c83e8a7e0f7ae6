// Package requesttermination is Kong's plugin request-termination: it answers in
// the place of the upstream.
package requesttermination

import (
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// Definition declares the plugin.
func Definition() plugin.Definition {
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name: "request-termination",
			Config: []entity.Field{
				{Name: "status_code", Kind: entity.Integer, Required: true, Default: 503, Between: &[2]float64{200, 599}},
				{Name: "message", Kind: entity.String},
				{Name: "content_type", Kind: entity.String, Match: "media_type"},
				{Name: "body", Kind: entity.String},
				{
					Name: "echo", Kind: entity.Boolean, Required: true, Default: false,
					Only: &entity.Only{Value: false, Why: "requests are not echoed to their clients"},
				},
				{Name: "trigger", Kind: entity.String, Match: "header"},
			},
			Checks: []entity.Check{{Run: checkBody}},
		},
		Priority: 2,
		New:      newPlugin,
	}
}

// checkBody has Kong's rules and words.
func checkBody(c entity.Record) map[string]any {
	var message string
	switch {
	case c["message"] != nil && (c["content_type"] != nil || c["body"] != nil):
		message = "message cannot be used with content_type or body"
	case c["content_type"] != nil && c["body"] == nil:
		message = "content_type requires a body"
	default:
		return nil
	}
	return map[string]any{"@entity": []any{message}}
}

// config is the configuration as it is stored.
type config struct {
	StatusCode  int    `json:"status_code"`
	Message     string `json:"message"`
	ContentType string `json:"content_type"`
	Body        string `json:"body"`
	Trigger     string `json:"trigger"`
}

type termination struct {
	status      int
	contentType string
	body        []byte
	trigger     string // field or parameter that asks for it; "": every request is answered
}

// messages are Kong's, of the statuses that have one.
var messages = map[int]string{
	401: "Unauthorized", 404: "Not found", 405: "Method not allowed", 500: "An unexpected error occurred", 502: "Bad Gateway",
	503: "Service unavailable",
}

func newPlugin(c *entity.Plugin, _ *plugin.Deps) (plugin.Plugin, error) {
	var in config
	if err := plugin.DecodeConfig(c, &in); err != nil {
		return nil, err
	}
	t := &termination{status: in.StatusCode, trigger: in.Trigger, contentType: "application/json; charset=utf-8"}
	switch {
	case in.Body != "":
		t.body, t.contentType = []byte(in.Body), in.ContentType
		if t.contentType == "" {
			t.contentType = "text/plain; charset=utf-8"
		}
	case in.Message != "":
		t.body = plugin.Message(in.Message)
	case messages[in.StatusCode] != "":
		t.body = plugin.Message(messages[in.StatusCode])
	}
	return t, nil
}

// Access answers, with a trigger only where the request has it.
func (t *termination) Access(x *plugin.Exchange) (answered bool) {
	if t.trigger != "" && !t.isTriggered(x) {
		return false
	}
	r := &x.Ctx.Response
	r.SetStatusCode(t.status)
	if t.body != nil {
		r.Header.SetContentType(t.contentType)
		r.SetBodyRaw(t.body)
	}
	return true
}

func (t *termination) isTriggered(x *plugin.Exchange) bool {
	h := &x.Ctx.Request.Header
	return plugin.HasField(h, t.trigger) || plugin.HasName(plugin.Query(h), t.trigger)
}

var _ plugin.AccessPhase = (*termination)(nil)
