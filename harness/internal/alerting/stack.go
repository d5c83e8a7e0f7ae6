package alerting

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/gatelab/gatelab/alerts"
	"github.com/gatelab/gatelab/harness/internal/promconfig"
)

// Target is one address that Prometheus scrapes.
type Target struct{ Job, Instance, Addr string }

// Stack is a Prometheus with our rules, an Alertmanager and a receiver, on loopback, in a folder that Close removes.
type Stack struct {
	Receiver   *Receiver
	Prometheus string // its URL
	scale      Scale
	dir        string
	processes  []*process

	jobs         []string // all that had targets so far
	alertmanager string   // its host:port
	server       *process // Prometheus
}

// Scrape makes Prometheus scrape these targets and no others, and waits until it does. A job whose targets are all gone stays in its
// configuration, as with service discovery (see promconfig.Job).
func (s *Stack) Scrape(ctx context.Context, targets []Target) error {
	if err := s.writeConfig("prometheus.yml", s.prometheusConfig(targets)); err != nil {
		return err
	}
	if err := s.server.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		return fmt.Errorf("reload prometheus: %w", err)
	}
	return s.waitScraped(ctx, len(targets))
}

// Start starts all three and waits until they are ready. ctx bounds the start; Close ends what was started. on receives each notification
// and may be nil.
func Start(ctx context.Context, targets []Target, scale Scale, on func(Notification)) (_ *Stack, err error) {
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
	if err := s.writeConfig("alertmanager.yml", s.alertmanagerConfig()); err != nil {
		return nil, err
	}
	if err := s.writeConfig("prometheus.yml", s.prometheusConfig(targets)); err != nil {
		return nil, err
	}
	if _, err := s.launch(ctx, "http://"+ports[1], alertmanagerNames,
		"--config.file="+s.path("alertmanager.yml"), "--storage.path="+s.path("alertmanager"),
		"--web.listen-address="+ports[1], "--cluster.listen-address=", "--log.level=warn"); err != nil {
		return nil, err
	}
	if s.server, err = s.launch(ctx, s.Prometheus, prometheusNames,
		"--config.file="+s.path("prometheus.yml"), "--storage.tsdb.path="+s.path("tsdb"), "--web.listen-address="+ports[0],
		// Resolved alerts are sent at once, and firing ones do not time out.
		"--rules.alert.resend-delay="+scale.Scrape.String(), "--rules.alert.for-grace-period=0s", "--log.level=warn"); err != nil {
		return nil, err
	}
	return s, s.waitScraped(ctx, len(targets))
}

// Close ends the processes and removes their folder.
func (s *Stack) Close() {
	for _, p := range slices.Backward(s.processes) {
		p.stop()
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

// writeConfig writes a configuration file of one of the two programs.
func (s *Stack) writeConfig(name string, config interface{ YAML() ([]byte, error) }) error {
	text, err := config.YAML()
	if err != nil {
		return err
	}
	return os.WriteFile(s.path(name), text, 0o600)
}

// prometheusConfig scrapes the targets. A job that had targets before stays without any.
func (s *Stack) prometheusConfig(targets []Target) promconfig.Prometheus {
	byJob := map[string][]promconfig.Target{}
	for _, t := range targets {
		if !slices.Contains(s.jobs, t.Job) {
			s.jobs = append(s.jobs, t.Job)
		}
		byJob[t.Job] = append(byJob[t.Job], promconfig.Target{Addr: t.Addr, Instance: t.Instance})
	}
	c := promconfig.Prometheus{
		ScrapeInterval: s.scale.Scrape, ScrapeTimeout: s.scale.Scrape, EvaluationInterval: s.scale.Scrape,
		RuleFiles: []string{s.path("*.rules.yaml")}, Alertmanager: s.alertmanager,
	}
	for _, job := range s.jobs {
		c.Jobs = append(c.Jobs, promconfig.Job{Name: job, Targets: byJob[job]})
	}
	return c
}

// alertmanagerConfig sends each alert by itself and at once, because a drill measures how long alerts take.
func (s *Stack) alertmanagerConfig() promconfig.Alertmanager {
	return promconfig.Alertmanager{Webhook: s.Receiver.URL(), GroupBy: []string{"..."}, GroupInterval: time.Second}
}

// freePorts are n unused loopback addresses, on ports below those that kernels assign to outgoing connections: one of those could be taken
// before the server listens.
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
