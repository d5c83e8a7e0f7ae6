package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/scenario"
)

// measured is what was learnt of one stage.
type measured struct {
	stage  *scenario.Stage
	closed []*attacked // by round
	open   []*attacked
	direct []*attacked // of an edge's stage: the countries' direct ways; open then holds those over the edge
	reset  bool        // database and Redis were seen to be empty before
	warm   string      // what is warm since then by design; may be empty
	passed accounts
}

// stage sets a stage up, attacks it and puts what came of it into the result.
func (r *run) stage(ctx context.Context, s *scenario.Stage, first bool) error {
	defer r.Watch.stage(r.name, s.Name)()
	m := &measured{stage: s}
	for round := 1; round <= s.Rounds; round++ {
		if err := r.setUp(ctx, s, first && round == 1); err != nil {
			return err
		}
		clean, err := r.clean(ctx, s)
		if err != nil {
			return err
		}
		m.reset = clean && (round == 1 || m.reset)
		before := read(ctx, r.lab)
		if err := r.attacks(ctx, m, round); err != nil {
			return err
		}
		settle(ctx)
		if len(s.Schedule()) == 0 {
			m.passed.add(before, read(ctx, r.lab))
		}
	}
	r.assemble(m)
	return nil
}

// settle lets what is in flight end.
func settle(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(300 * time.Millisecond):
	}
}

// setUp makes the lab as the stage wants it, empty of all that was before, and
// configures the gateways over the Admin API.
func (r *run) setUp(ctx context.Context, s *scenario.Stage, fresh bool) error {
	began := time.Now()
	if !fresh {
		for _, n := range append(r.lab.Nodes(lab.RoleGateway), r.lab.Nodes(lab.RoleEdge)...) { // an edge's cache goes with it
			if err := r.lab.Drop(ctx, n.Name()); err != nil {
				return err
			}
		}
		if err := r.reset(ctx); err != nil {
			return err
		}
		if err := r.lab.Apply(ctx, topology(s)); err != nil {
			return err
		}
	}
	gateways := r.lab.Nodes(lab.RoleGateway)
	c, err := newConfigurator("http://" + gateways[0].HostAddr(lab.PortAdmin))
	if err != nil {
		return err
	}
	if err := c.apply(ctx, r.entities(s)); err != nil {
		return err
	}
	if err := r.agree(ctx, gateways); err != nil {
		return err
	}
	r.Console.Step("%s: configured, %d replica(s) agree (%.1f s)", s.Name, len(gateways), time.Since(began).Seconds())
	return nil
}

// reset empties what keeps state between stages.
func (r *run) reset(ctx context.Context) error {
	nodes := map[string]lab.Node{}
	for _, role := range []string{lab.RolePostgres, lab.RoleRedis, lab.RoleOrigin} {
		n, ok := r.lab.Node(role)
		if !ok {
			return fmt.Errorf("the lab has no %s", role)
		}
		nodes[role] = n
	}
	if err := resetDatabase(ctx, nodes[lab.RolePostgres]); err != nil {
		return err
	}
	if err := resetRedis(ctx, nodes[lab.RoleRedis]); err != nil {
		return err
	}
	for _, n := range r.lab.Nodes(lab.RoleOrigin) {
		if err := resetOrigin(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// entities are the stage's, with the workload's consumers, and with the
// addresses under which the gateways reach what lies behind a link.
func (r *run) entities(s *scenario.Stage) map[string]any {
	out, _ := r.readdress(s.Entities).(map[string]any)
	consumers, _ := out["consumers"].([]any)
	for _, g := range s.Workload.Consumers {
		for i := 1; i <= g.Count; i++ {
			key := consumerKey(g.Name, i)
			consumers = append(consumers, map[string]any{
				"username": key, "keyauth_credentials": []any{map[string]any{"key": key}},
			})
		}
	}
	out["consumers"] = merged(consumers)
	return out
}

// merged joins consumers of one username: a scenario may give one of the
// workload's consumers plugins of its own.
func merged(consumers []any) []any {
	at := map[any]int{}
	var out []any
	for _, c := range consumers {
		m, ok := c.(map[string]any)
		if !ok {
			out = append(out, c)
			continue
		}
		i, had := at[m["username"]]
		if !had {
			at[m["username"]] = len(out)
			out = append(out, m)
			continue
		}
		into, _ := out[i].(map[string]any)
		for k, v := range m {
			if into[k] == nil {
				into[k] = v
			}
		}
	}
	return out
}

func consumerKey(group string, i int) string { return fmt.Sprintf("%s-%d", group, i) }

// readdress copies entities, with redis and origin replaced by the address at
// which the gateways reach them.
func (r *run) readdress(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			out[k] = r.readdress(e)
		}
		if x["host"] == lab.RoleRedis {
			host, port, _ := strings.Cut(r.lab.Far(lab.RoleRedis, lab.PortRedis), ":")
			var n int64
			_, _ = fmt.Sscan(port, &n)
			out["host"], out["port"] = host, n
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = r.readdress(e)
		}
		return out
	case string:
		return strings.Replace(x, fmt.Sprintf("//%s:%d", lab.RoleOrigin, lab.PortOrigin), "//"+r.lab.Far(lab.RoleOrigin, lab.PortOrigin), 1)
	}
	return v
}

// agreeWithin is how long the replicas may take to serve the newest revision.
const agreeWithin = 20 * time.Second

// agree waits until every replica serves the newest revision.
func (r *run) agree(ctx context.Context, gateways []lab.Node) error {
	ctx, cancel := context.WithTimeout(ctx, agreeWithin)
	defer cancel()
	want, err := newestRevision(ctx, gateways[0].HostAddr(lab.PortAdmin))
	if err != nil {
		return err
	}
	for _, n := range gateways {
		for {
			m, err := scrape(ctx, n.HostAddr(lab.PortStatus))
			if err == nil {
				if got, ok := m.value("gateway_snapshot_revision"); ok && int64(got) >= want {
					break
				}
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s does not serve revision %d: %w", n.Name(), want, context.Cause(ctx))
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return nil
}

func newestRevision(ctx context.Context, admin string) (int64, error) {
	var page struct {
		Data []struct {
			ID int64 `json:"id"`
		} `json:"data"`
	}
	if err := getJSON(ctx, "http://"+admin+"/revisions", &page); err != nil {
		return 0, err
	}
	if len(page.Data) == 0 {
		return 0, nil
	}
	return page.Data[0].ID, nil
}

func getJSON(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	res, err := scrapeClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d", url, res.StatusCode)
	}
	return json.NewDecoder(res.Body).Decode(into)
}
