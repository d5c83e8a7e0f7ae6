package mirror

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// config is the configuration as it is stored.
type config struct {
	URL          string   `json:"url"`
	Percentage   float64  `json:"percentage"`
	Methods      []string `json:"methods"`
	MaxBodyBytes int      `json:"max_body_bytes"`
	Timeout      int      `json:"timeout"` // ms
	QueueEntries int      `json:"queue_entries"`
	QueueBytes   int64    `json:"queue_bytes"`
	Connections  int      `json:"connections"`
	TLSVerify    bool     `json:"tls_verify"`
	HeaderName   string   `json:"header_name"`
}

// senders are those in use, by what they send to. They outlive configurations.
type senders struct {
	mu sync.Mutex
	of map[target]*sender
}

// mirror is the plugin. It copies a request in the log phase, when the client has
// been answered.
type mirror struct {
	config
	to     *sender
	prefix string // of the paths
}

func (s *senders) newPlugin(c *entity.Plugin, d *plugin.Deps) (plugin.Plugin, error) {
	m := &mirror{}
	if err := plugin.DecodeConfig(c, &m.config); err != nil {
		return nil, err
	}
	u, err := url.Parse(m.URL)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("mirror: url is no URL with a host") // it may have a password
	}
	m.prefix = strings.TrimSuffix(u.EscapedPath(), "/")
	counts, err := counters(d.Registerer)
	if err != nil {
		return nil, fmt.Errorf("mirror: %w", err)
	}
	at := target{
		base:    u.Scheme + "://" + u.Host,
		timeout: time.Duration(m.Timeout) * time.Millisecond, entries: m.QueueEntries, bytes: m.QueueBytes,
		connections: m.Connections, verify: m.TLSVerify,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[at] == nil {
		s.of[at] = newSender(at, counts, d.Logger())
	}
	m.to = s.of[at]
	return m, nil
}

// keep forgets the senders that no plugin in use has: what they have queued is sent,
// and their connections are closed.
func (s *senders) keep(plugins []plugin.Plugin) {
	used := map[*sender]bool{}
	for _, p := range plugins {
		if m, ok := p.(*mirror); ok {
			used[m.to] = true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, sender := range s.of {
		if !used[sender] {
			sender.client.CloseIdleConnections()
			delete(s.of, at)
		}
	}
}

// Log queues a copy of the request, as the upstream was asked.
func (m *mirror) Log(x *plugin.Exchange) {
	h := &x.Ctx.Request.Header
	switch {
	case x.Asked.IsZero(): // the upstream has not seen it either
		return
	case m.Percentage < 100 && rand.Float64()*100 >= m.Percentage:
		return
	case x.WebSocket: // it was no request and answer
		return
	}
	method := x.Rewrite.Method
	if method == "" {
		method = string(h.Method())
	}
	if m.Methods != nil && !slices.Contains(m.Methods, method) {
		return
	}
	body, ok := m.body(&x.Ctx.Request)
	if !ok {
		m.to.counts.body.Inc()
		return
	}
	c := &request{method: method, path: m.prefix + string(x.UpstreamURI), header: make(http.Header, h.Len()), body: body}
	c.size = int64(requestOverhead + len(c.path) + len(body))
	for name, value := range h.All() {
		text := string(value)
		c.header.Add(string(name), text)
		c.size += int64(fieldOverhead + len(name) + len(text))
	}
	for _, name := range []string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Expect", "Te", "Trailer"} {
		c.header.Del(name)
	}
	c.header.Set(m.HeaderName, "1")
	if len(c.header["User-Agent"]) == 0 {
		c.header["User-Agent"] = []string{""} // else the codec names itself
	}
	m.to.add(c)
}

// body is a copy of the request's body; false: it is too long, or has been passed on
// without being kept.
func (m *mirror) body(r *fasthttp.Request) ([]byte, bool) {
	if r.IsBodyStream() {
		return nil, r.Header.ContentLength() == 0
	}
	body := r.Body()
	if len(body) > m.MaxBodyBytes {
		return nil, false
	}
	return slices.Clone(body), true
}

// What became of copies.
type counts struct{ sent, failed, full, body prometheus.Counter }

func newCounts() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_mirror_requests_total",
		Help: "Copies of requests by what became of them: sent, failed, or dropped because the queue was full or the body was not kept.",
	}, []string{"outcome"})
}

// declare exports the counters with 0.
func declare(reg prometheus.Registerer) error {
	_, err := counters(reg)
	return err
}

func counters(reg prometheus.Registerer) (*counts, error) {
	vec := newCounts()
	if reg != nil {
		if err := reg.Register(vec); err != nil {
			var have prometheus.AlreadyRegisteredError
			if !errors.As(err, &have) {
				return nil, err
			}
			existing, ok := have.ExistingCollector.(*prometheus.CounterVec)
			if !ok {
				return nil, err
			}
			vec = existing
		}
	}
	of := vec.WithLabelValues
	return &counts{sent: of("sent"), failed: of("failed"), full: of("dropped_full"), body: of("dropped_body")}, nil
}

var _ plugin.LogPhase = (*mirror)(nil)
