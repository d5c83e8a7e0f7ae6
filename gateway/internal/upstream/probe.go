package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"reflect"
	"time"
)

// prober asks one target whether it is well, on a goroutine of its own.
type prober struct {
	target *Target
	rules  *activeRules
	told   *metrics
	client *http.Client
	// dialTLS connects to the target; the address is the target's own.
	dialTLS func(ctx context.Context, network, address string) (net.Conn, error)
	stop    context.CancelFunc
	good    int // in a row
	bad     [failKinds]int
}

// probe has a target probed by rules, nil: not. p.mu is held.
func (p *Pools) probe(t *Target, rules *activeRules) {
	old := t.prober
	if old != nil && rules != nil && reflect.DeepEqual(old.rules.spec, rules.spec) {
		return
	}
	if old != nil {
		old.stop()
		t.prober = nil
	}
	if rules == nil || p.ctx.Err() != nil {
		return
	}
	n := &prober{target: t, rules: rules, told: p.metrics}
	n.dialTLS = n.secureDialer(p)
	n.client = &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DialContext: n.dial, DialTLSContext: n.dialTLS},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var ctx context.Context
	ctx, n.stop = context.WithCancel(p.ctx)
	t.prober = n
	p.wg.Go(func() { n.run(ctx) })
}

func (n *prober) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return n.target.host.dial(ctx)
}

func (n *prober) secureDialer(p *Pools) func(ctx context.Context, network, address string) (net.Conn, error) {
	spec := &n.rules.spec
	name := spec.sni
	if name == "" {
		name = hostOf(n.hostHeader())
	}
	c := &tls.Config{ServerName: name, RootCAs: p.config.RootCAs, MinVersion: tls.VersionTLS12}
	c.InsecureSkipVerify = !spec.verify //nolint:gosec // https_verify_certificate says so
	if spec.kind == "grpcs" {
		withHTTP2(c)
	}
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := n.target.host.dial(ctx)
		if err != nil {
			return nil, err
		}
		secured := tls.Client(conn, c)
		if err := secured.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, err
		}
		return secured, nil
	}
}

func (n *prober) hostHeader() string {
	if n.rules.spec.host != "" {
		return n.rules.spec.host
	}
	return Authority(n.target.called, n.rules.spec.kind == "https" || n.rules.spec.kind == "grpcs")
}

// run probes until ctx ends. The first probe comes at a random time within the
// interval, so that the targets' probes do not coincide.
func (n *prober) run(ctx context.Context) {
	spec := &n.rules.spec
	first := true
	for {
		wait := spec.whenUp
		if n.target.until.Load() != 0 {
			wait = spec.whenDown
		}
		idle := wait == 0
		if idle {
			wait = time.Second // until the state is another
		}
		if first {
			wait, first = time.Duration(rand.Int64N(int64(wait))), false //nolint:gosec // no secret
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if idle {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case n.rules.slots <- struct{}{}:
		}
		status, err := n.ask(ctx)
		<-n.rules.slots
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errServices) {
			n.told.pools.follow(n.target) // others are probed in its place
			return
		}
		n.judge(status, err)
	}
}

// ask makes one probe. A status of 0 without an error says that a connection
// was all that was wanted.
func (n *prober) ask(ctx context.Context) (status int, err error) {
	spec := &n.rules.spec
	ctx, cancel := context.WithTimeout(ctx, spec.timeout)
	defer cancel()
	switch spec.kind {
	case "grpc", "grpcs":
		return n.askGRPC(ctx)
	case "tcp":
		conn, err := n.target.host.dial(ctx)
		if err != nil {
			return 0, err
		}
		return 0, conn.Close()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, spec.kind+"://"+n.target.Address+spec.path, nil)
	if err != nil {
		return 0, fmt.Errorf("probe %s: %w", n.target.Address, err)
	}
	req.Host = n.hostHeader()
	req.Header.Set("User-Agent", "gatelab/health")
	for name, values := range spec.headers {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	res, err := n.client.Do(req)
	if err != nil {
		return 0, err
	}
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // a longer body is cut off: its connection is not used again
	return res.StatusCode, res.Body.Close()
}

// judge counts a probe's result, and takes the target out or back.
func (n *prober) judge(status int, err error) {
	spec, t := &n.rules.spec, n.target
	kind, result := -1, "good"
	switch {
	case err != nil && (isTimeout(err) || errors.Is(err, context.DeadlineExceeded)):
		kind = failTimeout
	case err != nil:
		kind = failTCP
	case status != 0 && n.rules.bad.has(status):
		kind = failHTTP
	case status != 0 && !n.rules.good.has(status):
		result = "other" // neither for nor against
	}
	if kind >= 0 {
		result = failNames[kind]
	}
	if n.told != nil {
		n.told.probes.WithLabelValues(t.label, result).Inc()
	}
	switch {
	case result == "good":
		n.bad = [failKinds]int{}
		n.good++
		if spec.successes > 0 && n.good >= spec.successes && t.until.Load() != 0 {
			t.heal()
		}
	case kind >= 0:
		n.good = 0
		n.bad[kind]++
		if spec.limits[kind] > 0 && n.bad[kind] >= spec.limits[kind] && t.until.Load() == 0 {
			t.eject("active")
		}
	}
}
