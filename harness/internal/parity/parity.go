// Package parity asks an arm of a comparison the probes of its policy, and tells where its behaviour differs: from what the policy says,
// and from the other arms. Without parity there is no figure.
package parity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/jsonhttp"
	"github.com/gatelab/gatelab/harness/internal/policy"
)

// Arm is whom to ask.
type Arm struct {
	Name   string
	Proxy  string // http://host:port of the gateway, or https://host:port where the policy has TLS
	Origin string // http://host:port of the origin behind it, which counts what it was asked
	// Origins are, where the policy has several, those behind it, as Origin; empty: Origin alone.
	Origins []string
	// Pace is the time between two requests, for one whose load is bounded; 0: none.
	Pace time.Duration
	// Roots and ServerName are, where the policy has TLS, the certificates in PEM that the gateway's is to be one of, and its name.
	Roots, ServerName string
}

// Answer is what an arm gave to a probe; of a probe that is sent several times the last one, and how many had which status.
type Answer struct {
	Probe    string
	Status   int
	Header   http.Header
	Body     []byte
	Statuses map[int]int
	Spread   []int         // how many reached each of the origins
	Reached  int           // how many requests reached the origin
	Proto    string        // "HTTP/1.1" or "HTTP/2.0"
	Said     []string      // where a conversation on a WebSocket went otherwise
	Ahead    time.Duration // how long before the answer's end its body began, at most over the count
}

// Answers are an arm's, in the order of the policy's probes.
type Answers struct {
	Arm      string
	Answers  []Answer
	Failures []string // where it is not what the policy says, one sentence each; empty: it behaves so
}

// askWithin bounds one request of a probe, and probesWithin all probes of a policy.
const (
	askWithin    = 10 * time.Second
	probesWithin = time.Minute
)

// maxBody is the longest answer that is compared, in bytes.
const maxBody = 4 << 20

// Ask sends a policy's probes to an arm. An error says that the arm could not be asked at all, as where nothing listens.
func Ask(ctx context.Context, a Arm, p *policy.Policy) (*Answers, error) {
	ctx, cancel := context.WithTimeout(ctx, probesWithin)
	defer cancel()
	transport, err := wire(a, p)
	if err != nil {
		return nil, err
	}
	defer transport.CloseIdleConnections()
	asker := &asker{arm: a, policy: p, client: &http.Client{
		Transport: transport, Timeout: askWithin,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	out := &Answers{Arm: a.Name}
	for i := range p.Probes {
		pr := &p.Probes[i]
		answer, err := asker.ask(ctx, pr)
		if err != nil {
			return nil, fmt.Errorf("probe %q of %s: %w", pr.Name, a.Name, err)
		}
		out.Answers = append(out.Answers, *answer)
		for _, wrong := range append(judge(pr, answer, out.Answers), spoken(p, answer)...) {
			out.Failures = append(out.Failures, pr.Name+": "+wrong)
		}
	}
	return out, nil
}

// asker sends probes to one arm.
type asker struct {
	arm    Arm
	policy *policy.Policy
	client *http.Client
}

func (a *asker) ask(ctx context.Context, pr *policy.Probe) (*Answer, error) {
	if pr.Passes != nil && !pr.SameWindow {
		if err := a.early(ctx); err != nil {
			return nil, err
		}
	}
	before, err := a.counted(ctx, pr)
	if err != nil {
		return nil, err
	}
	out := &Answer{Probe: pr.Name, Statuses: map[int]int{}}
	for n := range max(pr.Count, 1) {
		if err := a.pause(ctx); err != nil {
			return nil, err
		}
		if err := a.once(ctx, pr, n, out); err != nil {
			return nil, err
		}
		out.Statuses[out.Status]++
	}
	after, err := a.counted(ctx, pr)
	if err != nil {
		return nil, err
	}
	for i := range after {
		n := int(after[i] - before[i]) //nolint:gosec // some hundreds
		out.Spread = append(out.Spread, n)
		out.Reached += n
	}
	return out, nil
}

// pause keeps the arm's pace.
func (a *asker) pause(ctx context.Context) error {
	if a.arm.Pace <= 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(a.arm.Pace):
		return nil
	}
}

// early waits until the calendar window of every limit has some seconds left: a probe that counts must not end in the next one.
func (a *asker) early(ctx context.Context) error {
	const left = 12 * time.Second
	for _, l := range a.policy.Limits {
		if l.Window <= 2*left {
			continue
		}
		now := time.Now()
		if end := now.Truncate(l.Window).Add(l.Window); end.Sub(now) < left {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(end.Sub(now) + 50*time.Millisecond):
			}
		}
	}
	return nil
}

// once sends one request; the answer's fields are those of the last, but for Ahead.
func (a *asker) once(ctx context.Context, pr *policy.Probe, n int, out *Answer) error {
	req, err := a.request(ctx, pr, n)
	if err != nil {
		return err
	}
	if pr.Talk != nil {
		return a.talk(req, pr.Talk, out)
	}
	res, err := a.client.Do(req) //nolint:bodyclose // closed below
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // the address is said already
		}
		return err
	}
	defer res.Body.Close()
	out.Status, out.Proto = res.StatusCode, res.Proto
	out.Header = res.Header
	if res.StatusCode == http.StatusSwitchingProtocols {
		return nil // its body is a tunnel, which has no end
	}
	var began time.Time
	body := readerFunc(func(b []byte) (int, error) {
		n, err := res.Body.Read(b)
		if n > 0 && began.IsZero() {
			began = time.Now()
		}
		return n, err
	})
	if out.Body, err = io.ReadAll(io.LimitReader(body, maxBody)); err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	// A stalled machine shortens it, and nothing lengthens it for an arm that waits for the end.
	if !began.IsZero() {
		out.Ahead = max(out.Ahead, time.Since(began))
	}
	return nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// request is the n-th request of a probe, from 0.
func (a *asker) request(ctx context.Context, pr *policy.Probe, n int) (*http.Request, error) {
	method := pr.Method
	if method == "" {
		method = http.MethodGet
	}
	var body io.Reader = http.NoBody
	if pr.Body != "" {
		body = strings.NewReader(pr.Body)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.arm.Proxy, body)
	if err != nil {
		return nil, err
	}
	path, query, _ := strings.Cut(pr.Path, "?")
	req.URL.Opaque = path // as it is, in origin form as of any client but a proxy's: no path may be cleaned on the way
	req.URL.RawQuery = query
	if address := pr.Address(n); address != "" {
		req.Header.Set("X-Real-IP", address)
	}
	for k, v := range pr.Header {
		req.Header.Set(k, v)
	}
	if pr.Body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if pr.Token != "" {
		token, err := a.policy.Token(pr.Token, time.Now())
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// counted is how many requests each origin has been asked, where the probe wants to know.
func (a *asker) counted(ctx context.Context, pr *policy.Probe) ([]uint64, error) {
	if pr.Reach == nil && !pr.Spread {
		return nil, nil
	}
	origins := a.arm.Origins
	if len(origins) == 0 {
		origins = []string{a.arm.Origin}
	}
	var out []uint64
	for _, origin := range origins {
		n, err := asked(ctx, origin)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// asked is how many requests an origin has been asked.
func asked(ctx context.Context, origin string) (uint64, error) {
	var stats struct {
		Requests  uint64                       `json:"requests"`
		Endpoints map[string]map[string]uint64 `json:"endpoints"`
	}
	if err := jsonhttp.Get(ctx, origin+"/stats", &stats); err != nil {
		return 0, fmt.Errorf("ask the origin what it counted: %w", err)
	}
	var n uint64
	for _, statuses := range stats.Endpoints {
		for _, count := range statuses {
			n += count
		}
	}
	return n, nil
}
