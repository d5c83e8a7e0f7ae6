package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/topology"
)

// toxics are the faults on a link, by kind.
func toxics() map[string]func(Spec) toxic {
	return map[string]func(Spec) toxic{
		KindLatency: latency, KindJitter: jitter, KindBandwidth: bandwidth,
		KindReset: reset, KindSlowClose: slowClose, KindBlackHole: blackHole,
	}
}

// toxic is what makes a link bad, as toxiproxy's admin API takes it, and how it
// is observed.
type toxic struct {
	Type       string         `json:"type"`
	Name       string         `json:"name"`
	Stream     string         `json:"stream"` // empty: "downstream"
	Attributes map[string]int `json:"attributes"`

	bulk    bool          // probes make the far end send some KiB, if it can
	whole   bool          // probes read until the end of the connection
	timeout time.Duration // of a probe; 0: long enough for the attributes
	// seen tells from a probe, compared with one of the healthy link, whether the
	// fault is in effect.
	seen func(p, normal probe) bool
}

// lateBy sees a delay of that size.
func lateBy(d time.Duration) func(p, normal probe) bool {
	return func(p, normal probe) bool { return p.bytes > 0 && p.took >= normal.took/2+d }
}

func ms(d time.Duration) int { return int(d.Milliseconds()) }

// probeTimeout is how long a probe waits at least.
const probeTimeout = 3 * time.Second

// probeTimeout is longer than any delay that the toxic makes.
func (t *toxic) probeTimeout() time.Duration {
	if t.timeout > 0 {
		return t.timeout
	}
	timeout := probeTimeout
	for _, v := range t.Attributes {
		timeout = max(timeout, 3*time.Duration(v)*time.Millisecond)
	}
	return timeout
}

// linkFault makes a link bad through toxiproxy's admin API in the link node. It
// observes the effect itself: it sends probes through the link to the far end.
type linkFault struct {
	base
	toxic   toxic
	proxy   string // its name in the admin API
	admin   string // host:port
	listen  string // host:port of the link's own listener
	request string // what makes the far end respond
	normal  probe  // of the healthy link
}

// farEnd is what a link leads to.
type farEnd struct {
	port    int
	request string // makes it respond
	bulk    string // makes it respond with some KiB; empty: as request
	whole   string // makes it respond and close the connection; empty: as request
}

// farEnds are what links may lead to, by role.
func farEnds() map[string]farEnd {
	get := func(path string) string { return "GET " + path + " HTTP/1.0\r\nHost: chaos\r\n\r\n" }
	return map[string]farEnd{
		topology.RolePostgres: {
			port:    topology.PortPostgres,
			request: "\x00\x00\x00\x08\x04\xd2\x16\x2f", // SSLRequest: a single byte comes back
			whole:   "\x00\x00\x00\x08\x00\x00\x00\x00", // no protocol: an error, and the end
		},
		topology.RoleRedis:   {port: topology.PortRedis, request: "PING\r\nQUIT\r\n", bulk: "INFO\r\nQUIT\r\n"},
		topology.RoleOrigin:  {port: topology.PortOrigin, request: get("/health"), bulk: get("/stats")},
		topology.RoleGateway: {port: topology.PortProxy, request: get("/gatelab-knock")},
	}
}

// requestOf is what a probe of the toxic sends to the far end.
func (e farEnd) requestOf(t toxic) string {
	switch {
	case t.whole && e.whole != "":
		return e.whole
	case t.bulk && e.bulk != "":
		return e.bulk
	}
	return e.request
}

func makeLinkFault(s Spec, l Lab) (Fault, error) {
	role, _, _ := strings.Cut(s.Target, "-")
	far, known := farEnds()[role]
	if !known {
		return nil, fmt.Errorf("fault %s: there is never a link to %q: want postgres, redis, origin or a gateway", s.Kind, s.Target)
	}
	link, ok := l.Node(topology.RoleLink)
	if !ok {
		return nil, fmt.Errorf("fault %s %s: the lab has no link node: want topology.links to name %s", s.Kind, s.Target, role)
	}
	listen := link.HostAddr(topology.LinkPortOf(s.Target, far.port))
	if listen == "" {
		return nil, fmt.Errorf("fault %s: there is no link to %s: want topology.links to name %s", s.Kind, s.Target, role)
	}
	return newLinkFault(s, far, s.Target, link.HostAddr(topology.PortLinkAdmin), listen), nil
}

// newLinkFault is a fault of the proxy of that name. admin and listen are the admin API's and the proxy's addresses, host:port.
func newLinkFault(s Spec, far farEnd, proxy, admin, listen string) *linkFault {
	t := toxics()[s.Kind](s)
	t.Name = "gatelab_" + s.Kind
	if t.Stream == "" {
		t.Stream = "downstream"
	}
	return &linkFault{base: base{s.Kind, s.Target}, toxic: t, proxy: proxy, request: far.requestOf(t), admin: admin, listen: listen}
}

// healthyProbes is how many probes Setup sends. One alone may meet a machine that
// is busy elsewhere, and what is slow by chance would then pass for normal.
const healthyProbes = 5

// Setup learns how long a probe takes on the healthy link: the least of several.
func (f *linkFault) Setup(ctx context.Context) error {
	for i := range healthyProbes {
		p := f.probe(ctx)
		if p.bytes == 0 {
			return fmt.Errorf("the link to %s does not respond before the fault: %w", f.target, p.err)
		}
		if i == 0 || p.took < f.normal.took {
			f.normal = p
		}
	}
	return nil
}

func (f *linkFault) Inject(ctx context.Context) error {
	return f.call(ctx, http.MethodPost, "/proxies/"+f.proxy+"/toxics", f.toxic)
}

func (f *linkFault) Effect(ctx context.Context) error {
	return until(ctx, 50*time.Millisecond, func(ctx context.Context) (bool, string, error) {
		p := f.probe(ctx)
		return f.toxic.seen(p, f.normal), p.String(), nil
	})
}

func (f *linkFault) Recover(ctx context.Context) error {
	// It is not there if the injection failed.
	return ignoreNotFound(f.call(ctx, http.MethodDelete, "/proxies/"+f.proxy+"/toxics/"+f.toxic.Name, nil))
}

func (f *linkFault) Recovered(ctx context.Context) error {
	return until(ctx, 50*time.Millisecond, func(ctx context.Context) (bool, string, error) {
		p := f.probe(ctx)
		return p.bytes > 0 && p.took < f.normal.took+200*time.Millisecond, p.String(), p.err
	})
}

func (f *linkFault) call(ctx context.Context, method, path string, body any) error {
	return callJSON(ctx, method, "http://"+f.admin+path, body, nil)
}

// probe is one request over the link.
type probe struct {
	took  time.Duration // until the first byte, or the end of the connection
	bytes int           // of the response
	err   error
}

func (p probe) String() string { return fmt.Sprintf("the link gave %d bytes in %s", p.bytes, p.took) }

func (f *linkFault) probe(ctx context.Context) probe {
	began := time.Now()
	n, err := f.exchange(ctx, began.Add(f.toxic.probeTimeout()))
	return probe{took: time.Since(began), bytes: n, err: err}
}

// exchange sends the request and returns the size of the response.
func (f *linkFault) exchange(ctx context.Context, deadline time.Time) (int, error) {
	c, err := (&net.Dialer{Deadline: deadline}).DialContext(ctx, "tcp", f.listen)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	_ = c.SetDeadline(deadline)
	if _, err := io.WriteString(c, f.request); err != nil {
		return 0, err
	}
	if !f.toxic.whole {
		var first [1]byte
		return c.Read(first[:])
	}
	response, err := io.ReadAll(io.LimitReader(c, 1<<20))
	return len(response), err
}

// ignoreNotFound takes what is not there any more for removed.
func ignoreNotFound(err error) error {
	var missing notFound
	if errors.As(err, &missing) {
		return nil
	}
	return err
}
