package experiment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/stage"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// tokensWithin is for how long the gateways may correct what they have counted after the last answer.
const tokensWithin = 5 * time.Second

// headerTokensLeft begins the field in which the gateway tells what is left of a token limit; the window's name follows.
const headerTokensLeft = "X-Ai-Ratelimit-Remaining-"

// tokenFigures are what the limit of tokens admitted; nil where the scenario asks for none.
func (x *experiment) tokenFigures(ctx context.Context, a *assess.Recording) (*result.TokensHeld, error) {
	e := x.stage.Expect.Tokens
	if e.Limit == 0 {
		return nil, nil
	}
	out := &result.TokensHeld{Limit: uint64(e.Limit), Failed: a.Result.Failed} //nolint:gosec // checked when read
	deadline := time.Now().Add(tokensWithin)
	for {
		left, err := x.tokensLeft(ctx)
		if err != nil {
			return nil, fmt.Errorf("tokens: %w", err)
		}
		out.Counted = uint64(max(0, int64(e.Limit)-left)) //nolint:gosec // not negative
		served, ok := x.tokensServed(ctx)
		if !ok {
			return nil, errors.New("tokens: an origin does not say what it served")
		}
		out.Served, out.Share = served, float64(served)/float64(e.Limit)
		if out.Counted == out.Served || time.Now().After(deadline) {
			return out, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// tokensServed is how many tokens the origins have served since the lab was set up.
func (x *experiment) tokensServed(ctx context.Context) (n uint64, ok bool) {
	for _, o := range readings.Read(ctx, x.session.Lab).Origins {
		if o == nil {
			return 0, false
		}
		n += o.PromptTokens + o.CompletionTokens
		ok = true
	}
	return n, ok
}

// tokensLeft asks a gateway what is left of the limit, as a client that is refused.
func (x *experiment) tokensLeft(ctx context.Context) (int64, error) {
	node, ok := x.session.Lab.Node(topology.RoleBalancer)
	if !ok {
		return 0, fmt.Errorf("the lab has no %s", topology.RoleBalancer)
	}
	ctx, cancel := context.WithTimeout(ctx, tokensWithin)
	defer cancel()
	q := &x.stage.Workload.Requests[0]
	req, err := http.NewRequestWithContext(ctx, q.Method, "http://"+node.HostAddr(topology.PortBalancer)+q.Path, strings.NewReader(q.Body))
	if err != nil {
		return 0, err
	}
	for k, v := range q.Headers {
		req.Header.Set(k, v)
	}
	if g := x.stage.Workload.Consumers; len(g) > 0 {
		req.Header.Set("apikey", stage.ConsumerKey(g[0].Name, 1))
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	if res.StatusCode != http.StatusTooManyRequests {
		return 0, fmt.Errorf("%s %s: status %d: the load did not reach the limit of %d",
			q.Method, q.Path, res.StatusCode, x.stage.Expect.Tokens.Limit)
	}
	for k := range res.Header {
		if strings.HasPrefix(k, headerTokensLeft) {
			return strconv.ParseInt(res.Header.Get(k), 10, 64)
		}
	}
	return 0, fmt.Errorf("%s %s: no %s in the refusal", q.Method, q.Path, headerTokensLeft)
}

// judgeTokens compares what was served with the limit and with what was counted.
func judgeTokens(e scenario.TokenExpect, h *result.TokensHeld, expect expectFunc) {
	if h == nil {
		return
	}
	expect("tokens served", fmt.Sprintf("at most %d", h.Limit), fmt.Sprint(h.Served), h.Served <= h.Limit)
	if e.AdmittedMin > 0 {
		expect("share of the token limit served", fmt.Sprintf("at least %g", e.AdmittedMin),
			fmt.Sprintf("%.4f", h.Share), h.Share >= e.AdmittedMin)
	}
	// A replica that is killed leaves what it had reserved.
	most := h.Failed * uint64(e.Reserved) //nolint:gosec // checked when read
	want := "0"
	if most > 0 {
		want = fmt.Sprintf("0 to %d (%d for each of %d requests that failed)", most, e.Reserved, h.Failed)
	}
	over := int64(h.Counted) - int64(h.Served)                                                              //nolint:gosec // small
	expect("tokens counted beyond those served", want, fmt.Sprint(over), over >= 0 && uint64(over) <= most) //nolint:gosec // checked
}
