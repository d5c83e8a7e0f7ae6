package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"gatelab/harness/internal/lab"
)

// toxicFault makes a link bad through toxiproxy's admin API in the link node.
// It sees the effect for itself: it knocks at the far end through the link.
type toxicFault struct {
	base
	toxic  toxic
	admin  string // host:port
	way    string // host:port of the link's own listener
	knock  string // what makes the far end answer
	whole  bool   // the answer is read to the connection's end
	normal time.Duration
}

// toxic is one of toxiproxy's kinds.
type toxic struct {
	Type       string         `json:"type"`
	Name       string         `json:"name"`
	Stream     string         `json:"stream"`
	Attributes map[string]int `json:"attributes"`

	// seen says from a knock whether the fault is at work.
	seen func(took, normal time.Duration, answered int, err error) bool
}

// toxics are the kinds of fault on a link.
func toxics() map[string]func(Spec) toxic {
	late := func(by time.Duration) func(took, normal time.Duration, n int, err error) bool {
		return func(took, normal time.Duration, n int, _ error) bool { return n > 0 && took >= normal/2+by }
	}
	return map[string]func(Spec) toxic{
		KindLatency: func(s Spec) toxic {
			d := orElse(s.Latency, time.Second)
			return toxic{Type: "latency", Attributes: map[string]int{"latency": ms(d)}, seen: late(d * 9 / 10)}
		},
		// From almost nothing to twice the time. Any one knock may be lucky.
		KindJitter: func(s Spec) toxic {
			d := orElse(s.Latency, 200*time.Millisecond)
			return toxic{Type: "latency", Attributes: map[string]int{"latency": ms(d), "jitter": ms(d)}, seen: late(d / 4)}
		},
		KindBandwidth: func(s Spec) toxic {
			rate := s.Rate
			if rate == 0 {
				rate = 1
			}
			return toxic{Type: "bandwidth", Attributes: map[string]int{"rate": max(1, int(rate))},
				seen: func(took, normal time.Duration, n int, _ error) bool {
					return n > 0 && took >= normal+time.Duration(float64(n)/1024/rate*float64(time.Second)/2)
				}}
		},
		KindReset: func(Spec) toxic {
			return toxic{Type: "reset_peer", Attributes: map[string]int{"timeout": 0},
				seen: func(_, _ time.Duration, n int, _ error) bool { return n == 0 }}
		},
		KindSlowClose: func(s Spec) toxic {
			d := orElse(s.Latency, time.Second)
			return toxic{Type: "slow_close", Attributes: map[string]int{"delay": ms(d)}, seen: late(d * 9 / 10)}
		},
		KindBlackHole: func(Spec) toxic {
			return toxic{Type: "timeout", Attributes: map[string]int{"timeout": 0},
				seen: func(took, normal time.Duration, n int, err error) bool {
					var timeout net.Error
					return n == 0 && took > normal && errors.As(err, &timeout) && timeout.Timeout()
				}}
		},
	}
}

func ms(d time.Duration) int { return int(d.Milliseconds()) }

// The far ends by role: what makes each answer, and its port.
func farEnds() map[string]struct {
	port        int
	knock, bulk string // bulk makes it answer with some KiB, where it can
} {
	type far = struct {
		port        int
		knock, bulk string
	}
	httpKnock := func(path string) string { return "GET " + path + " HTTP/1.0\r\nHost: chaos\r\n\r\n" }
	return map[string]far{
		// "May I speak TLS?": a single byte comes back.
		lab.RolePostgres: {lab.PortPostgres, "\x00\x00\x00\x08\x04\xd2\x16\x2f", ""},
		lab.RoleRedis:    {lab.PortRedis, "PING\r\nQUIT\r\n", "INFO\r\nQUIT\r\n"},
		lab.RoleOrigin:   {lab.PortOrigin, httpKnock("/health"), httpKnock("/stats")},
		lab.RoleGateway:  {lab.PortProxy, httpKnock("/gatelab-knock"), ""},
	}
}

func makeToxic(s Spec, l Lab) (Fault, error) {
	role, _, _ := strings.Cut(s.Target, "-")
	far, known := farEnds()[role]
	if !known {
		return nil, fmt.Errorf("fault %s: there is never a link to %q: want postgres, redis, origin or a gateway", s.Kind, s.Target)
	}
	link, ok := l.Node(lab.RoleLink)
	if !ok {
		return nil, fmt.Errorf("fault %s %s: the lab has no link node: want topology.links to name %s", s.Kind, s.Target, role)
	}
	f := &toxicFault{base: base{s.Kind, s.Target}, toxic: toxics()[s.Kind](s), knock: far.knock,
		admin: link.HostAddr(lab.PortLinkAdmin), way: link.HostAddr(lab.LinkPortOf(s.Target, far.port))}
	if s.Kind == KindBandwidth && far.bulk != "" {
		f.knock = far.bulk
	}
	f.whole = s.Kind == KindSlowClose || s.Kind == KindBandwidth
	f.toxic.Name, f.toxic.Stream = "gatelab_"+s.Kind, "downstream"
	if s.Kind == KindBlackHole {
		// What does not arrive is not answered either, and the far end has no
		// reason to close.
		f.toxic.Stream = "upstream"
	}
	if f.whole && role == lab.RolePostgres {
		f.knock = "\x00\x00\x00\x08\x00\x00\x00\x00" // no protocol: an error, and the end
	}
	if f.way == "" {
		return nil, fmt.Errorf("fault %s: there is no link to %s: want topology.links to name %s", s.Kind, s.Target, role)
	}
	return f, nil
}

// soundKnocks are how often Setup knocks. One alone may meet a machine that is
// busy elsewhere, and what is slow by chance would then pass for normal.
const soundKnocks = 5

// Setup learns how long a knock takes on the sound link: the least of several.
func (f *toxicFault) Setup(ctx context.Context) error {
	for i := range soundKnocks {
		took, n, err := f.ask(ctx)
		if n == 0 {
			return fmt.Errorf("the link to %s does not answer before the fault: %w", f.target, err)
		}
		if i == 0 || took < f.normal {
			f.normal = took
		}
	}
	return nil
}

func (f *toxicFault) Inject(ctx context.Context) error {
	return f.call(ctx, http.MethodPost, "/proxies/"+f.target+"/toxics", f.toxic)
}

func (f *toxicFault) Effect(ctx context.Context) error {
	return until(ctx, 50*time.Millisecond, func(ctx context.Context) (bool, string, error) {
		took, n, err := f.ask(ctx)
		return f.toxic.seen(took, f.normal, n, err), fmt.Sprintf("the link gave %d bytes in %s", n, took), nil
	})
}

func (f *toxicFault) Recover(ctx context.Context) error {
	err := f.call(ctx, http.MethodDelete, "/proxies/"+f.target+"/toxics/"+f.toxic.Name, nil)
	var gone notFound
	if errors.As(err, &gone) {
		return nil // the injection had failed
	}
	return err
}

func (f *toxicFault) Recovered(ctx context.Context) error {
	return until(ctx, 50*time.Millisecond, func(ctx context.Context) (bool, string, error) {
		took, n, err := f.ask(ctx)
		return n > 0 && took < f.normal+200*time.Millisecond, fmt.Sprintf("the link gave %d bytes in %s", n, took), err
	})
}

// knockWithin is how long a knock waits: longer than any delay a fault makes.
const knockWithin = 3 * time.Second

// ask knocks and takes the time until the first byte, or the connection's end.
func (f *toxicFault) ask(ctx context.Context) (took time.Duration, n int, err error) {
	within := knockWithin
	if d := time.Duration(slices.Max(append(valuesOf(f.toxic.Attributes), 0))) * time.Millisecond; f.kind != KindBandwidth {
		within = max(within, 3*d)
	}
	if f.kind == KindBandwidth {
		within = 20 * time.Second
	}
	began := time.Now()
	c, err := (&net.Dialer{Timeout: within}).DialContext(ctx, "tcp", f.way)
	if err != nil {
		return time.Since(began), 0, err
	}
	defer c.Close()
	_ = c.SetDeadline(began.Add(within))
	if _, err := io.WriteString(c, f.knock); err != nil {
		return time.Since(began), 0, err
	}
	if !f.whole {
		var one [1]byte
		n, err = c.Read(one[:])
		return time.Since(began), n, err
	}
	answer, err := io.ReadAll(io.LimitReader(c, 1<<20))
	return time.Since(began), len(answer), err
}

func valuesOf(m map[string]int) (out []int) {
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// notFound is the admin API's 404.
type notFound struct{ error }

func (f *toxicFault) call(ctx context.Context, method, path string, body any) error {
	return callJSON(ctx, method, "http://"+f.admin+path, body, nil)
}

var client = &http.Client{Timeout: 10 * time.Second}

// callJSON sends body as JSON and decodes the answer into out; either may be
// nil. A 404 is a notFound, any status from 300 on an error.
func callJSON(ctx context.Context, method, url string, body, out any) error {
	var in io.Reader = http.NoBody
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, in)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20)) // for the message, or decoded below
	switch {
	case res.StatusCode == http.StatusNotFound:
		return notFound{fmt.Errorf("%s %s: not found: %s", method, url, bytes.TrimSpace(answer))}
	case res.StatusCode >= 300:
		return fmt.Errorf("%s %s: status %d: %s", method, url, res.StatusCode, bytes.TrimSpace(answer))
	case out == nil:
		return nil
	}
	return json.Unmarshal(answer, out)
}
