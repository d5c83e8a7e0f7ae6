package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/goccy/go-yaml"

	"gatelab/alerts"
)

// Target is one address that Prometheus scrapes.
type Target struct{ Job, Instance, Addr string }

// Stack is a Prometheus with our rules, an Alertmanager and a receiver, on
// loopback, in a folder that Close removes.
type Stack struct {
	Receiver   *Receiver
	Prometheus string // its URL
	scale      Scale
	dir        string
	children   []*child

	jobs         []string
	alertmanager string // its address
	server       *child // Prometheus
}

// Scrape has Prometheus scrape these targets alone, and waits until it does. A
// job without targets stays in its configuration, as where service discovery
// finds none any more: of a job that is taken out Prometheus marks no series as
// stale, and goes on for five minutes with what it saw last.
func (s *Stack) Scrape(ctx context.Context, targets []Target) error {
	if err := s.write("prometheus.yml", s.prometheusConfig(targets)); err != nil {
		return err
	}
	if err := s.server.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		return fmt.Errorf("have prometheus read its configuration: %w", err)
	}
	return s.settled(ctx, len(targets))
}

// Start starts all three and waits until they are ready. ctx bounds the start;
// Close ends what was started.
func Start(ctx context.Context, targets []Target, scale Scale, on func(Notice)) (_ *Stack, err error) {
	s := &Stack{scale: scale}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "gatelab-drill-"); err != nil {
		return nil, err
	}
	if s.Receiver, err = Listen("127.0.0.1:0", on); err != nil {
		return nil, err
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	if err := s.writeRules(); err != nil {
		return nil, err
	}
	s.Prometheus, s.alertmanager = "http://"+ports[0], ports[1]
	if err := s.write("alertmanager.yml", s.alertmanagerConfig()); err != nil {
		return nil, err
	}
	if err := s.write("prometheus.yml", s.prometheusConfig(targets)); err != nil {
		return nil, err
	}
	if _, err := s.launch(ctx, "http://"+ports[1], alertmanagerNames,
		"--config.file="+s.path("alertmanager.yml"), "--storage.path="+s.path("alertmanager"),
		"--web.listen-address="+ports[1], "--cluster.listen-address=", "--log.level=warn"); err != nil {
		return nil, err
	}
	if s.server, err = s.launch(ctx, s.Prometheus, prometheusNames,
		"--config.file="+s.path("prometheus.yml"), "--storage.tsdb.path="+s.path("tsdb"), "--web.listen-address="+ports[0],
		// Resolved alerts are told at once, and firing ones do not time out.
		"--rules.alert.resend-delay="+scale.Scrape.String(), "--rules.alert.for-grace-period=0s", "--log.level=warn"); err != nil {
		return nil, err
	}
	return s, s.settled(ctx, len(targets))
}

// settled waits until every target was scraped, every rule was evaluated once
// and the Alertmanager is known: Prometheus takes its time for the first of
// each (5 s for what its discovery finds), which is not to count as an alert's.
func (s *Stack) settled(ctx context.Context, scraped int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyIn, fmt.Errorf("not every target was scraped and every rule evaluated in %s", readyIn))
	defer cancel()
	tick := time.NewTicker(s.scale.Scrape)
	defer tick.Stop()
	for {
		var rules struct {
			Groups []struct {
				LastEvaluation time.Time `json:"lastEvaluation"`
			} `json:"groups"`
		}
		var targets struct {
			Active []struct {
				LastScrape time.Time `json:"lastScrape"`
			} `json:"activeTargets"`
		}
		var receivers struct {
			Active []any `json:"activeAlertmanagers"`
		}
		err := errors.Join(s.ask(ctx, "/api/v1/rules", &rules), s.ask(ctx, "/api/v1/targets?state=active", &targets), s.ask(ctx, "/api/v1/alertmanagers", &receivers))
		done := err == nil && len(targets.Active) == scraped && len(receivers.Active) > 0
		for _, g := range rules.Groups {
			done = done && !g.LastEvaluation.IsZero()
		}
		for _, t := range targets.Active {
			done = done && !t.LastScrape.IsZero()
		}
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

// Close ends the processes and removes their folder.
func (s *Stack) Close() {
	for i := len(s.children) - 1; i >= 0; i-- {
		s.children[i].stop()
	}
	if s.Receiver != nil {
		s.Receiver.Close()
	}
	_ = os.RemoveAll(s.dir)
}

func (s *Stack) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Stack) writeRules() error {
	names, err := fs.Glob(alerts.Files, "*.rules.yaml")
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := alerts.Files.ReadFile(name)
		if err != nil {
			return err
		}
		if text, err = s.scale.Rules(text); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(s.path(name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stack) write(name string, config any) error {
	text, err := yaml.Marshal(config)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.WriteFile(s.path(name), text, 0o600)
}

type object = map[string]any

func (s *Stack) prometheusConfig(targets []Target) object {
	every := s.scale.Scrape.String()
	byJob := map[string][]object{}
	for _, t := range targets {
		if !slices.Contains(s.jobs, t.Job) {
			s.jobs = append(s.jobs, t.Job)
		}
		byJob[t.Job] = append(byJob[t.Job], object{"targets": []string{t.Addr}, "labels": object{"instance": t.Instance}})
	}
	scrapes := []object{}
	for _, j := range s.jobs {
		scrapes = append(scrapes, object{"job_name": j, "static_configs": append([]object{}, byJob[j]...)})
	}
	return object{
		"global":         object{"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
		"rule_files":     []string{s.path("*.rules.yaml")},
		"alerting":       object{"alertmanagers": []object{{"static_configs": []object{{"targets": []string{s.alertmanager}}}}}},
		"scrape_configs": scrapes,
	}
}

func (s *Stack) alertmanagerConfig() object {
	return object{
		// Each alert by itself and at once: a drill measures, it does not spare.
		"route": object{"receiver": "drill", "group_by": []string{"..."}, "group_wait": "0s", "group_interval": "1s", "repeat_interval": "4h"},
		"receivers": []object{{"name": "drill", "webhook_configs": []object{
			{"url": s.Receiver.URL(), "send_resolved": true},
		}}},
	}
}

var asker = &http.Client{Timeout: 5 * time.Second}

// Active are the alerts that Prometheus knows of now, by name: pending or
// firing.
func (s *Stack) Active(ctx context.Context) (map[string]string, error) {
	var answer struct {
		Alerts []struct {
			Labels map[string]string `json:"labels"`
			State  string            `json:"state"`
		} `json:"alerts"`
	}
	if err := s.ask(ctx, "/api/v1/alerts", &answer); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, a := range answer.Alerts {
		if out[a.Labels["alertname"]] != "firing" {
			out[a.Labels["alertname"]] = a.State
		}
	}
	return out, nil
}

// ask reads the data of an answer of Prometheus' API.
func (s *Stack) ask(ctx context.Context, path string, data any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Prometheus+path, http.NoBody)
	if err != nil {
		return err
	}
	res, err := asker.Do(req)
	if err != nil {
		return fmt.Errorf("ask prometheus: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("ask prometheus: status %d", res.StatusCode)
	}
	answer := struct {
		Data any `json:"data"`
	}{data}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return fmt.Errorf("ask prometheus: %w", err)
	}
	return nil
}

// freePorts are loopback addresses that nobody uses now, on ports below those
// that kernels hand out by themselves: of those, somebody's connection may take
// one before the server that it is meant for listens.
func freePorts(n int) ([]string, error) {
	var out []string
	var held []net.Listener
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	var err error
	for range 100 * n {
		if len(out) == n {
			return out, nil
		}
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000))); err == nil { //nolint:gosec // no secret
			held = append(held, l)
			out = append(out, l.Addr().String())
		}
	}
	return nil, errors.Join(errors.New("no free port"), err)
}
