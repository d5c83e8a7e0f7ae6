package alerting

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gatelab/gatelab/alerts"
	"github.com/gatelab/gatelab/harness/internal/jsonhttp"
)

// Finding is one thing that an alert needs of a Prometheus, and whether it is so.
type Finding struct {
	Name   string
	OK     bool
	Detail string // what was seen and, if it is not so, what to do
}

// Check looks whether the alerts of the project can fire in an existing Prometheus at
// address: targets of the job, rules, metrics, an Alertmanager. It only reads. The error is
// that of a Prometheus that does not answer.
func Check(ctx context.Context, address, job string) ([]Finding, error) {
	c := checker{address: strings.TrimSuffix(address, "/"), job: job}
	var info struct {
		Version string `json:"version"`
	}
	if err := c.get(ctx, "/api/v1/status/buildinfo", &info); err != nil {
		return nil, err
	}
	out := []Finding{{Name: "Prometheus answers", OK: true, Detail: "version " + info.Version}}
	for _, look := range []func(context.Context) ([]Finding, error){c.targets, c.rules, c.metrics, c.alertmanagers} {
		found, err := look(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

type checker struct{ address, job string }

func (c *checker) get(ctx context.Context, path string, data any) error {
	answer := struct {
		Data any `json:"data"`
	}{data}
	if err := jsonhttp.Get(ctx, c.address+path, &answer); err != nil {
		return fmt.Errorf("query prometheus: %w", err)
	}
	return nil
}

func (c *checker) targets(ctx context.Context) ([]Finding, error) {
	var data struct {
		Active []struct {
			Labels    map[string]string `json:"labels"`
			Health    string            `json:"health"`
			LastError string            `json:"lastError"`
		} `json:"activeTargets"`
	}
	if err := c.get(ctx, "/api/v1/targets?state=active", &data); err != nil {
		return nil, err
	}
	n := 0
	var down []string
	for _, t := range data.Active {
		if t.Labels["job"] != c.job {
			continue
		}
		n++
		if t.Health != "up" {
			down = append(down, fmt.Sprintf("%s: %s", t.Labels["instance"], t.LastError))
		}
	}
	f := Finding{Name: fmt.Sprintf("targets of the job %q are scraped", c.job), OK: n > 0 && len(down) == 0}
	switch {
	case n == 0:
		f.Detail = "there are none: add a scrape configuration for the replicas' status listeners, or name the job with --job"
	case len(down) > 0:
		f.Detail = fmt.Sprintf("%d of %d are not: %s", len(down), n, strings.Join(down, "; "))
	default:
		f.Detail = fmt.Sprintf("%d up", n)
	}
	return []Finding{f}, nil
}

// ruleState is a rule as Prometheus has it.
type ruleState struct {
	Name      string    `json:"name"`
	Health    string    `json:"health"`
	LastError string    `json:"lastError"`
	At        time.Time `json:"lastEvaluation"`
}

func (c *checker) rules(ctx context.Context) ([]Finding, error) {
	var data struct {
		Groups []struct {
			Rules []ruleState `json:"rules"`
		} `json:"groups"`
	}
	if err := c.get(ctx, "/api/v1/rules", &data); err != nil {
		return nil, err
	}
	have := map[string]ruleState{}
	for _, g := range data.Groups {
		for _, r := range g.Rules {
			have[r.Name] = r
		}
	}
	want, err := alerts.Rules()
	if err != nil {
		return nil, err
	}
	var missing, sick []string
	for _, r := range want {
		name := r.Alert + r.Record
		switch got, ok := have[name]; {
		case !ok:
			missing = append(missing, name)
		case got.Health == "err":
			sick = append(sick, name+": "+got.LastError)
		case got.At.IsZero():
			sick = append(sick, name+": not evaluated yet")
		}
	}
	return []Finding{
		listed("rules are loaded", len(want), missing, "harness alerts export writes them; add the files to rule_files"),
		listed("rules are evaluated without errors", len(want), sick, "see the page Rules of Prometheus"),
	}, nil
}

var metricRE = regexp.MustCompile(`\bgateway_[a-z0-9_]+`)

// metrics are those that the rules read of a gateway, and not of a recording rule.
func (c *checker) metrics(ctx context.Context) ([]Finding, error) {
	rules, err := alerts.Rules()
	if err != nil {
		return nil, err
	}
	want := map[string]bool{}
	for _, r := range rules {
		for _, at := range metricRE.FindAllStringIndex(r.Expr, -1) {
			// job:gateway_error_ratio:rate5m is a recording rule's.
			if strings.HasPrefix(r.Expr[at[1]:], ":") || at[0] > 0 && r.Expr[at[0]-1] == ':' {
				continue
			}
			want[r.Expr[at[0]:at[1]]] = true
		}
	}
	var have []string
	match := url.Values{"match[]": {`{__name__=~"gateway_.*"}`}}
	if err := c.get(ctx, "/api/v1/label/__name__/values?"+match.Encode(), &have); err != nil {
		return nil, err
	}
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !slices.Contains(have, name) {
			missing = append(missing, name)
		}
	}
	return []Finding{listed("metrics that the rules read exist", len(want), missing,
		"some appear with the plugin or store that they are about; the others only if the replicas are scraped")}, nil
}

func (c *checker) alertmanagers(ctx context.Context) ([]Finding, error) {
	var data struct {
		Active []struct {
			URL string `json:"url"`
		} `json:"activeAlertmanagers"`
	}
	if err := c.get(ctx, "/api/v1/alertmanagers", &data); err != nil {
		return nil, err
	}
	f := Finding{Name: "an Alertmanager receives alerts", OK: len(data.Active) > 0, Detail: "there is none: set alerting.alertmanagers"}
	if f.OK {
		f.Detail = data.Active[0].URL
	}
	return []Finding{f}, nil
}

// listed is a finding about many things, of which some may be wrong.
func listed(name string, all int, wrong []string, advice string) Finding {
	if len(wrong) == 0 {
		return Finding{Name: name, OK: true, Detail: fmt.Sprintf("%d of %d", all, all)}
	}
	return Finding{Name: name, Detail: fmt.Sprintf("%d of %d are not: %s; %s", len(wrong), all, strings.Join(wrong, ", "), advice)}
}
