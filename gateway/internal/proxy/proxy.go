package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
	"golang.org/x/sync/singleflight"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/logline"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/upstream"
)

// RevisionSource is asked on every request when configuration is looked up in
// the database.
type RevisionSource interface {
	// Revision is the newest committed revision. ErrBusy says that the pool had
	// no free connection in time.
	Revision(ctx context.Context) (int64, error)
	// Refresh loads the newest configuration and applies it. An *ApplyError in
	// what it returns says that only the latter failed.
	Refresh(ctx context.Context) error
}

// ErrBusy is what a RevisionSource answers when its pool is exhausted.
var ErrBusy = errors.New("no free database connection")

// Config is how the data plane behaves.
type Config struct {
	NodeName       string
	NodeHeader     bool           // answer with X-Gateway-Node
	RevisionHeader bool           // answer with X-Gateway-Revision
	Revisions      RevisionSource // nil: the pushed snapshot is used as it is
	LookupTimeout  time.Duration  // bounds one look-up; 0 is 10 s
	MaxBodyBytes   int64          // 0: no limit
	StreamAbove    int64          // bytes; 0 is 64 KiB
	TrustedProxies []netip.Prefix
	Via            string          // name of this gateway in Via; "" is gatelab
	PathAmbiguity  string          // PathStrict (also ""), PathKeep, PathReject or PathUnescape
	Underscores    string          // UnderscoresSafe (also ""), UnderscoresDrop or UnderscoresKeep
	Staple         time.Duration   // how often certificates are looked through for OCSP answers that are due; 0: none is stapled
	AccessLog      string          // LogOff, LogSampled or LogAll
	AccessLogRate  int             // lines per second that LogSampled keeps beside errors
	AccessLines    *logline.Logger // where the access log is written; nil: nowhere

	// Resolve puts values in the place of references to them; nil: there are none.
	Resolve func(*entity.Config) (*entity.Config, error)
}

// Proxy serves requests. Make it with New; it answers 503 until the first
// Apply.
type Proxy struct {
	config    Config
	deps      *plugin.Deps
	pools     *upstream.Pools
	metrics   *metrics
	log       *slog.Logger
	access    accessLog
	snapshot  snapshotPointer
	applying  sync.Mutex
	broken    atomic.Int64 // newest revision that could not be applied; 0: none
	told      atomic.Int64 // newest of them that a look-up has logged
	refresh   singleflight.Group
	busy      atomic.Int64 // requests that are being worked on
	visits    sync.Pool
	watch     *watcher
	handovers handovers
	nodeName  []byte
	via       string               // what is appended to Via
	port      atomic.Pointer[port] // of the listener, as seen last
	tunnels   *tunnelMetrics
	trials    *trialMetrics

	stapler    *stapler // nil: nothing is stapled
	background background
}

// New makes a proxy. Close ends what it started.
func New(c Config, deps *plugin.Deps, pools *upstream.Pools, reg prometheus.Registerer, log *slog.Logger) *Proxy {
	if c.LookupTimeout == 0 {
		c.LookupTimeout = 10 * time.Second
	}
	if c.StreamAbove == 0 {
		c.StreamAbove = 64 << 10
	}
	if c.Via == "" {
		c.Via = "gatelab"
	}
	if c.Underscores == "" {
		c.Underscores = UnderscoresSafe
	}
	p := &Proxy{
		config: c, via: "1.1 " + c.Via, deps: deps, pools: pools, log: log, nodeName: []byte(c.NodeName),
		watch: newWatcher(), tunnels: newTunnelMetrics(reg),
	}
	p.access = accessLog{lines: c.AccessLines, mode: c.AccessLog, rate: int64(c.AccessLogRate)}
	p.visits.New = func() any { return newVisit(p) }
	p.metrics, p.trials = newMetrics(reg, p), newTrialMetrics(reg, p)
	if c.Staple > 0 {
		p.stapler = startStapler(c.Staple, log, func() *certificates {
			if s := p.snapshot.Load(); s != nil {
				return s.certificates
			}
			return nil
		})
	}
	return p
}

// Close waits for what is asked of upstreams behind answers, and ends the watch over
// clients. No request may be running.
func (p *Proxy) Close() {
	if !p.background.wait() {
		p.log.Warn("requests behind answers have not ended")
	}
	p.watch.close()
	if p.stapler != nil {
		p.stapler.close()
	}
}

// Handler serves one request.
func (p *Proxy) Handler(ctx *fasthttp.RequestCtx) {
	restoreBody(&ctx.Request)
	v := p.continued(ctx)
	if v == nil {
		v = p.begin(ctx)
		v.serve()
	} else {
		v.serveContinued()
	}
	v.serving = false
	if !v.Proxied && isGRPCRequest(ctx) {
		answerGRPC(&ctx.Response)
	}
	if v.forwarding.call.Upgraded != nil {
		v.splice() // finish is called when the tunnel ends
		return
	}
	if v.forwarding.call.Streamed && ctx.Response.IsBodyStream() {
		if ctx.Request.Header.IsHTTP11() {
			v.trailers.announce(&ctx.Response.Header)
		} else if ctx.Response.Header.ContentLength() < 0 {
			v.withoutChunks()
		}
		v.forwarding.call.PassThrough(ctx.Conn())
		return // finish is called when the body has passed
	}
	v.finish()
}

// begin takes a visit for a request.
func (p *Proxy) begin(ctx *fasthttp.RequestCtx) *visit {
	v := p.visits.Get().(*visit)
	v.Ctx, v.Started = ctx, time.Now()
	p.busy.Add(1)
	v.serving = true
	return v
}
