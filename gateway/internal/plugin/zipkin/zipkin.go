package zipkin

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/tracing"
)

// tracer is what both kinds of the plugin have.
type tracer struct {
	config
	rate float64
}

// visit is what is known of a request until its end.
type visit struct {
	tracing.Trace
	proxy [8]byte // the upstream's parent: the span of the proxied request
	tags  []tag   // of the client
}

// Access continues the client's trace, or begins one, and tells the upstream.
func (t *tracer) Access(x *plugin.Exchange) (answered bool) {
	h := &x.Ctx.Request.Header
	v := &visit{}
	if t.HeaderType != tracing.Ignore {
		v.Trace = tracing.Read(h)
	}
	v.Begin(t.TraceIDByteCount == 8)
	if !v.Decided {
		v.Sampled = mathrand.Float64() < t.rate
	}
	if v.Sampled {
		x.Trace = v.ID
	}
	if t.TagsHeader != "" && v.Sampled {
		v.tags = clientTags(h.Peek(t.TagsHeader))
	}
	format := t.HeaderType
	if format == tracing.Preserve || format == tracing.Ignore {
		if format = v.Format; format == "" {
			format = t.DefaultHeaderType
		}
	}
	// The upstream's parent is the span of the proxied request, below the one of the
	// whole.
	proxied := v.Trace
	proxied.Begin(v.Short)
	if v.Format == "" {
		proxied.ID = v.ID
	}
	proxied.Parent, v.proxy = v.Span, proxied.Span
	proxied.Write(h, format)
	x.Ctx.SetUserValue(t, v)
	return false
}

// maxTags is how many tags of a client are taken.
const maxTags = 32

// clientTags reads "name=value; name=value". Tags that the plugin sets itself are
// left out.
func clientTags(value []byte) (out []tag) {
	for part := range bytes.SplitSeq(value, []byte{';'}) {
		name, text, ok := strings.Cut(strings.TrimSpace(string(part)), "=")
		if !ok || name == "" || isProtected(name) || len(out) == maxTags {
			continue
		}
		out = append(out, tag{name, text})
	}
	return out
}

func isProtected(name string) bool {
	for _, p := range protected {
		if p == name {
			return true
		}
	}
	return false
}

// HeaderFilter tells the client the trace's id where that is wanted.
func (t *tracer) HeaderFilter(x *plugin.Exchange) {
	if v, ok := x.Ctx.UserValue(t).(*visit); ok && t.TraceIDHeader != "" {
		x.Ctx.Response.Header.Set(t.TraceIDHeader, v.HexID())
	}
}

// span is a span as Zipkin reads it.
type span struct {
	TraceID     string            `json:"traceId"`
	Name        string            `json:"name"`
	ParentID    string            `json:"parentId,omitempty"`
	ID          string            `json:"id"`
	Kind        string            `json:"kind"`
	Timestamp   int64             `json:"timestamp"` // µs
	Duration    int64             `json:"duration"`  // µs
	Local       *endpoint         `json:"localEndpoint"`
	Remote      *endpoint         `json:"remoteEndpoint,omitempty"`
	Annotations []annotation      `json:"annotations,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
}

type endpoint struct {
	ServiceName string `json:"serviceName,omitempty"`
	IPv4        string `json:"ipv4,omitempty"`
	IPv6        string `json:"ipv6,omitempty"`
	Port        int    `json:"port,omitempty"`
}

type annotation struct {
	Timestamp int64  `json:"timestamp"` // µs
	Value     string `json:"value"`
}

// setAddress takes the address of a host, where it is one.
func (e *endpoint) setAddress(host string) {
	ip, err := netip.ParseAddr(host)
	switch {
	case err != nil:
	case ip.Unmap().Is4():
		e.IPv4 = ip.Unmap().String()
	default:
		e.IPv6 = ip.String()
	}
}

// encode makes the spans of a request: the whole, the proxied request, and each try
// of the balancer. They are the members of an array.
func (t *tracer) encode(x *plugin.Exchange) []byte {
	v, ok := x.Ctx.UserValue(t).(*visit)
	if !ok || !v.Sampled {
		return nil
	}
	now := time.Now()
	spans := []*span{t.request(x, v, now)}
	if x.Proxied || len(x.Tries) > 0 {
		spans = append(spans, t.proxied(x, v, spans[0].Name, now))
		for _, try := range tracing.Tries(x) {
			spans = append(spans, t.try(&try, v, spans[0].Name))
		}
	}
	raw, err := json.Marshal(spans)
	if err != nil { // texts and numbers have JSON
		return nil
	}
	return raw[1 : len(raw)-1]
}

func (t *tracer) newSpan(v *visit, name, kind string, id, parent [8]byte, from, to time.Time) *span {
	s := &span{
		TraceID: v.HexID(), ID: hex.EncodeToString(id[:]), Name: name, Kind: kind, Timestamp: from.UnixMicro(),
		Duration: max(0, to.Sub(from).Microseconds()), Local: &endpoint{ServiceName: t.LocalServiceName}, Tags: map[string]string{},
	}
	if parent != [8]byte{} {
		s.ParentID = hex.EncodeToString(parent[:])
	}
	return s
}

// request is the span of the whole request.
func (t *tracer) request(x *plugin.Exchange, v *visit, now time.Time) *span {
	h := &x.Ctx.Request.Header
	path, _, _ := bytes.Cut(h.RequestURI(), []byte{'?'})
	name := string(h.Method())
	if t.HTTPSpanName == methodPath {
		name += " " + string(path)
	}
	s := t.newSpan(v, name, "SERVER", v.Span, v.Parent, x.Started, now)
	s.Remote = &endpoint{}
	s.Remote.setAddress(x.ClientIP)
	if a, ok := x.Ctx.RemoteAddr().(*net.TCPAddr); ok && !x.Trusted {
		s.Remote.Port = a.Port
	}
	for _, list := range [][]tag{t.StaticTags, v.tags} {
		for _, g := range list {
			s.Tags[g.Name] = g.Value
		}
	}
	status := x.Ctx.Response.StatusCode()
	s.Tags["lc"] = "kong"
	s.Tags["http.method"], s.Tags["http.path"] = string(h.Method()), string(path)
	s.Tags["http.host"] = strings.Clone(x.Host)
	s.Tags["http.status_code"] = strconv.Itoa(status)
	if status >= 500 {
		s.Tags["error"] = "true"
	}
	if t.IncludeCredential {
		if x.CredentialID != "" {
			s.Tags["kong.credential"] = x.CredentialID
		}
		if x.Consumer != nil {
			s.Tags["kong.consumer"] = x.Consumer.ID
		}
	}
	return s
}

// proxied is the span of what the upstream is asked.
func (t *tracer) proxied(x *plugin.Exchange, v *visit, of string, now time.Time) *span {
	s := t.newSpan(v, of+" (proxy)", "CLIENT", v.proxy, v.Span, x.Times.Access, now)
	s.Remote = &endpoint{ServiceName: t.DefaultServiceName}
	if r := x.Route; r != nil {
		s.Tags["kong.route"] = r.ID
		setTag(s.Tags, "kong.route_name", r.Name)
	}
	if service := x.Service; service != nil {
		s.Tags["kong.service"], s.Tags["peer.hostname"] = service.ID, service.Host
		setTag(s.Tags, "kong.service_name", service.Name)
		if service.Name != "" {
			s.Remote.ServiceName = service.Name
		}
	}
	if n := len(x.Tries); n > 0 {
		host, port, _ := net.SplitHostPort(x.Tries[n-1].Address)
		s.Remote.setAddress(host)
		s.Remote.Port, _ = strconv.Atoi(port)
	}
	t.phase(s, "access", "ka", x.Times.Access, x.Times.Accessed)
	t.phase(s, "header_filter", "kh", x.Times.Filter, x.Times.Filtered)
	return s
}

func setTag(tags map[string]string, name, value string) {
	if value != "" {
		tags[name] = value
	}
}

// phase tells how long the plugins' part of a request took.
func (t *tracer) phase(s *span, name, short string, from, to time.Time) {
	switch {
	case from.IsZero() || to.IsZero():
	case t.PhaseDurationFlavor == tags:
		s.Tags["kong."+name+".duration_ms"] = strconv.FormatFloat(float64(to.Sub(from).Microseconds())/1000, 'f', -1, 64)
	default:
		s.Annotations = append(s.Annotations, annotation{from.UnixMicro(), short + "s"}, annotation{to.UnixMicro(), short + "f"})
	}
}

func (t *tracer) try(try *tracing.Try, v *visit, of string) *span {
	number := strconv.Itoa(try.Number)
	s := t.newSpan(v, of+" (balancer try "+number+")", "CLIENT", try.ID, v.Span, try.From, try.To)
	s.Remote = &endpoint{Port: try.PortNumber()}
	s.Remote.setAddress(try.Host)
	s.Tags["kong.balancer.try"] = number
	if try.Error != "" {
		s.Tags["error"] = "true"
		s.Tags["kong.balancer.state"] = "failed"
	} else {
		s.Tags["http.status_code"] = strconv.Itoa(try.Status)
	}
	return s
}
