package engine

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/load"
)

// keyHeader carries a consumer's key.
const keyHeader = "apikey"

// plan is an attack made ready: what to draw from, and every request as bytes.
// It is immutable and shared by all connections.
type plan struct {
	attack   load.Attack
	address  string // host:port to dial
	pairs    []pair
	choose   chooser // over pairs
	requests []preparedRequest
}

// pair is a request and the group that sends it; group -1: no group.
type pair struct{ request, group int }

// preparedRequest is one kind of request, ready to be drawn.
type preparedRequest struct {
	load.Request
	ids     chooser // unset without IDs
	expect  [600]bool
	bytes   template
	checkID bool // the body must hold the id that was asked for
}

// draw is one request to send. ID is 0 where the request has none.
type draw struct {
	pair *pair
	req  *preparedRequest
	id   int
	key  int // in the pair's group
	from int // the client's address; of requests with Addresses
	// trace is the traceparent of a request that begins a trace; nil: none is sent.
	trace []byte
}

func newPlan(a load.Attack) (*plan, error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	address, err := a.HostPort()
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	p := &plan{attack: a, address: address, requests: make([]preparedRequest, len(a.Requests))}
	var weights []float64
	nothing := !slices.ContainsFunc(a.Requests, func(r load.Request) bool { return r.Weight > 0 })
	for i, r := range a.Requests {
		if nothing {
			r.Weight = 1
		}
		p.requests[i] = p.prepare(r)
		groups := senders(&a, r)
		var sum float64
		for _, g := range groups {
			sum += groupWeight(&a, g)
		}
		for _, g := range groups {
			share := 1 / float64(len(groups)) // of groups that all have weight 0
			if sum > 0 {
				share = groupWeight(&a, g) / sum
			}
			p.pairs = append(p.pairs, pair{request: i, group: g})
			weights = append(weights, r.Weight*share)
		}
	}
	p.choose = newChooser(weights)
	return p, nil
}

// senders are the indexes of the groups that send a request.
func senders(a *load.Attack, r load.Request) []int {
	if len(a.Consumers) == 0 {
		return []int{-1}
	}
	var out []int
	for i, g := range a.Consumers {
		if len(r.Consumers) == 0 || slices.Contains(r.Consumers, g.Name) {
			out = append(out, i)
		}
	}
	return out
}

func groupWeight(a *load.Attack, group int) float64 {
	if group < 0 {
		return 1
	}
	return a.Consumers[group].Weight
}

func (p *plan) prepare(r load.Request) preparedRequest {
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	if len(r.Expect) == 0 {
		r.Expect = []int{http.StatusOK}
		if p.attack.WebSocket {
			r.Expect[0] = http.StatusSwitchingProtocols
		}
	}
	out := preparedRequest{
		Request: r,
		bytes:   newTemplate(p.host(r), r),
		checkID: r.Method == http.MethodGet && strings.Contains(r.Path, load.Placeholder),
	}
	for _, s := range r.Expect {
		out.expect[s] = true
	}
	if r.IDs > 0 {
		out.ids = newChooser(zipfWeights(r.IDs, r.Zipf))
	}
	return out
}

// draw takes what the stream says next.
func (p *plan) draw(s *stream) draw {
	d := draw{pair: &p.pairs[p.choose.index(s.float())]}
	d.req = &p.requests[d.pair.request]
	if d.req.IDs > 0 {
		d.id = d.req.ids.index(s.float()) + 1
	}
	if d.pair.group >= 0 {
		d.key = s.below(len(p.attack.Consumers[d.pair.group].Keys))
	}
	if d.req.Addresses > 0 {
		d.from = s.below(d.req.Addresses)
	}
	return d
}

// key is the consumer's key, empty for a request without a group.
func (p *plan) key(d draw) string {
	if d.pair.group < 0 {
		return ""
	}
	return p.attack.Consumers[d.pair.group].Keys[d.key]
}

// append adds a drawn request, as it goes over the wire, to b.
func (p *plan) append(b []byte, d draw) []byte { return d.req.bytes.append(b, d, p.key(d)) }
