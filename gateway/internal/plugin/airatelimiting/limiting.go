package airatelimiting

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/redisconfig"
)

// config is the configuration as it is stored.
type config struct {
	Limit            []int64            `json:"limit"`       // tokens
	WindowSize       []int64            `json:"window_size"` // seconds
	TokensCount      string             `json:"tokens_count_strategy"`
	Identifier       string             `json:"identifier"`
	HeaderName       string             `json:"header_name"`
	PerModel         bool               `json:"per_model"`
	BytesPerToken    float64            `json:"bytes_per_token"`
	CompletionTokens int64              `json:"default_completion_tokens"`
	Strategy         string             `json:"strategy"`
	Redis            redisconfig.Config `json:"redis"`
	FaultTolerant    bool               `json:"fault_tolerant"`
	DryRun           bool               `json:"dry_run"`
	HideHeaders      bool               `json:"hide_client_headers"`
	ErrorCode        int                `json:"error_code"`
	ErrorMessage     string             `json:"error_message"`
}

// limiting is a configured plugin.
type limiting struct {
	config
	id      string
	windows []window
	names   []string // of the windows, in headers
	counts  counters
	metrics *metrics
	refusal []byte
	log     *slog.Logger
	warned  atomic.Int64 // Unix ns
}

var (
	failure   = plugin.Message("An unexpected error occurred")
	badOrder  = plugin.Message("model and max_tokens must be there once at most, and model must be a text")
	largeBody = plugin.Message("Request size limit exceeded")
)

func newPlugin(c *entity.Plugin, d *plugin.Deps, local counters) (plugin.Plugin, error) {
	p := &limiting{id: c.ID, counts: local, log: d.Log}
	if err := plugin.DecodeConfig(c, &p.config); err != nil {
		return nil, err
	}
	for i, limit := range p.Limit {
		p.windows = append(p.windows, window{limit: limit, size: p.WindowSize[i] * 1000})
		p.names = append(p.names, windowName(p.WindowSize[i]))
	}
	if p.Strategy == "redis" {
		if d.Redis == nil {
			return nil, errors.New(name + ": this gateway has no Redis")
		}
		p.counts = &shared{d.Redis.Client(p.Redis.Options())}
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.refusal = plugin.Message(p.ErrorMessage)
	var err error
	p.metrics, err = newMetrics(d.Registerer)
	return p, err
}

// windowName is a window in the name of a header field: by its unit, or its seconds.
func windowName(seconds int64) string {
	switch seconds {
	case 1:
		return "Second"
	case 60:
		return "Minute"
	case 3600:
		return "Hour"
	case 86400:
		return "Day"
	}
	return strconv.FormatInt(seconds, 10)
}

// call is a request under way.
type call struct {
	decision
	key        string
	model      string
	prompt     int64 // estimated
	completion int64 // reserved
	usage      usage
	events     *eventScanner // of an event stream
	firstEvent time.Time
	ended      time.Time
}

// ReadsRequestBody is plugin.RequestBodyReader's: the model and the longest answer are in the body.
func (p *limiting) ReadsRequestBody() bool { return true }

// Access reserves tokens, or refuses the request.
func (p *limiting) Access(x *plugin.Exchange) (answered bool) {
	r := &x.Ctx.Request
	if !asks(r) {
		return false
	}
	body, whole, err := x.RequestBody(0)
	out := &x.Ctx.Response
	if err != nil {
		plugin.AnswerBodyError(out, err)
		return true
	}
	if !whole {
		plugin.Answer(out, fasthttp.StatusRequestEntityTooLarge, largeBody)
		return true
	}
	o, err := readOrder(body)
	if err != nil {
		plugin.Answer(out, fasthttp.StatusBadRequest, badOrder)
		return true
	}
	plugin.DeleteField(&r.Header, fasthttp.HeaderAcceptEncoding) // usage cannot be read in a compressed answer
	c := &call{model: o.model, completion: o.completion, prompt: int64(math.Ceil(float64(len(body)) / p.BytesPerToken))}
	if c.completion < 0 {
		c.completion = p.CompletionTokens
	}
	c.key = p.key(x, o.model)
	c.decision, err = p.counts.reserve(context.Background(), c.key, p.windows, p.count(usage{prompt: c.prompt, completion: c.completion}))
	if err != nil {
		return p.fail(x, err)
	}
	if !c.allowed && !p.DryRun {
		p.metrics.limited.Inc()
		p.refuse(x, c)
		return true
	}
	if c.allowed {
		p.metrics.allowed.Inc()
	} else {
		p.metrics.wouldLimit.Inc()
	}
	x.Ctx.SetUserValue(p, c)
	return false
}

// count is what of a usage the limits are of.
func (p *limiting) count(u usage) int64 {
	switch p.TokensCount {
	case "prompt_tokens":
		return u.prompt
	case "completion_tokens":
		return u.completion
	}
	return u.all()
}

// key is what the request's tokens are counted under.
func (p *limiting) key(x *plugin.Exchange, model string) string {
	kind, who := p.Identifier, ""
	switch kind {
	case "consumer":
		if x.Consumer != nil {
			who = x.Consumer.ID
		}
	case "credential":
		who = x.CredentialID
	case "service":
		if x.Service != nil {
			who = x.Service.ID
		}
	case "header":
		who = string(x.Ctx.Request.Header.Peek(p.HeaderName))
	}
	if who == "" {
		kind, who = "ip", x.ClientIP
	}
	if !p.PerModel {
		model = ""
	}
	// A digest: what clients choose can be long, and cannot be made to look like another's key.
	sum := sha256.Sum256([]byte(strings.Join([]string{p.id, kind, strconv.Itoa(len(who)), who, model}, "/")))
	return hex.EncodeToString(sum[:16])
}

// refuse answers in place of the upstream.
func (p *limiting) refuse(x *plugin.Exchange, c *call) {
	x.Limited = true
	r := &x.Ctx.Response
	plugin.Answer(r, p.ErrorCode, p.refusal)
	if p.HideHeaders {
		return
	}
	p.tell(&r.Header, c)
	free := c.now
	for i, w := range p.windows {
		if c.used[i]+c.took[i] > w.limit {
			free = max(free, c.starts[i]+w.size)
		}
	}
	r.Header.Set(fasthttp.HeaderRetryAfter, strconv.FormatInt(seconds(free-c.now), 10))
}

// seconds are milliseconds rounded up, at least one second.
func seconds(ms int64) int64 { return max(1, (ms+999)/1000) }

// tell writes the limits, what is left of them, and when the tightest window ends.
func (p *limiting) tell(h *fasthttp.ResponseHeader, c *call) {
	tightest, least := 0, int64(math.MaxInt64)
	for i, w := range p.windows {
		left := max(0, w.limit-c.used[i])
		if left < least {
			tightest, least = i, left
		}
		h.Set("X-AI-RateLimit-Limit-"+p.names[i], strconv.FormatInt(w.limit, 10))
		h.Set("X-AI-RateLimit-Remaining-"+p.names[i], strconv.FormatInt(left, 10))
	}
	h.Set("X-AI-RateLimit-Reset", strconv.FormatInt(seconds(c.starts[tightest]+p.windows[tightest].size-c.now), 10))
}

// fail decides without the counters.
func (p *limiting) fail(x *plugin.Exchange, err error) (answered bool) {
	now, last := time.Now().UnixNano(), p.warned.Load()
	if now-last > int64(10*time.Second) && p.warned.CompareAndSwap(last, now) {
		p.log.Warn("token limits without Redis", "plugin_id", p.id, "error", err, "fault_tolerant", p.FaultTolerant)
	}
	if p.FaultTolerant || p.DryRun {
		p.metrics.failedOpen.Inc()
		return false
	}
	p.metrics.failedClosed.Inc()
	plugin.Answer(&x.Ctx.Response, fasthttp.StatusInternalServerError, failure)
	return true
}
