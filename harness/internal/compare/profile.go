package compare

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/gate"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/stats"
	"github.com/gatelab/gatelab/harness/internal/subprocess"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// profileFor is how long CPU is sampled: 100 samples/s of a gateway that
// is busy a tenth of the time make 50.
const profileFor = 5 * time.Second

// profileKinds are the profiles taken, by file.
var profileKinds = []struct{ name, path, index string }{
	{"cpu", fmt.Sprintf("/debug/pprof/profile?seconds=%d", int(profileFor.Seconds())), ""},
	{"allocs", "/debug/pprof/allocs", "alloc_space"},
	{"heap", "/debug/pprof/heap", "inuse_space"},
}

// profile takes CPU and heap profiles of both arms under the workload that
// failed, and makes the tables of their difference.
func (b *bench) profile(ctx context.Context, d gate.Decision) error {
	if !b.builds.pprof[gate.Base] || !b.builds.pprof[gate.Head] {
		return fmt.Errorf("one of the builds has no setting pprof")
	}
	s := b.failing(d)
	b.session.Step("profiles of both arms under %s", s.Name)
	for arm, name := range b.arms[:2] {
		if err := b.profileArm(ctx, s, arm, name); err != nil {
			return fmt.Errorf("profile %s: %w", name, err)
		}
	}
	for _, k := range profileKinds {
		text, err := b.difference(ctx, k.name, k.index)
		if err != nil {
			return err
		}
		b.profiles["diff."+k.name+".txt"] = text
	}
	return nil
}

// failing is the first workload with a metric that failed.
func (t *trial) failing(d gate.Decision) *scenario.Stage {
	for _, e := range d.Metrics {
		workload, _, ok := strings.Cut(e.Name, " ")
		if !ok || e.Advisory || e.Verdict != stats.Fail {
			continue
		}
		for i := range t.stages {
			if t.stages[i].Name == workload {
				return &t.stages[i]
			}
		}
	}
	return &t.stages[0]
}

// profileArm attacks an arm and fetches its profiles meanwhile.
func (b *bench) profileArm(ctx context.Context, s *scenario.Stage, arm int, name string) error {
	node, err := b.arm(arm)
	if err != nil {
		return err
	}
	a := b.aim(s, load.Open, 0, arm)
	a.Duration = profileFor + time.Second
	attack := make(chan error, 1)
	ctx, cancel := context.WithTimeout(ctx, a.Warmup+a.Duration+30*time.Second)
	defer cancel()
	go func() {
		_, err := b.session.Workers.Run(ctx, a, nil)
		attack <- err
	}()
	var failed error
	for _, k := range profileKinds {
		content, err := fetch(ctx, "http://"+node.HostAddr(topology.PortStatus)+k.path)
		if err != nil {
			failed = err
			cancel()
			break
		}
		b.profiles[name+"."+k.name+".pprof"] = content
	}
	if err := <-attack; err != nil && failed == nil {
		return err
	}
	return failed
}

// mostProfile bounds what is read of a profile.
const mostProfile = 32 << 20

func fetch(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req) // ctx bounds it: a CPU profile takes seconds
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d", url, res.StatusCode)
	}
	return io.ReadAll(io.LimitReader(res.Body, mostProfile))
}

// difference is what head spends beyond base, function by function. The
// attacks were alike, so the profiles are not scaled to each other.
func (t *trial) difference(ctx context.Context, kind, index string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	paths := map[string]string{}
	for _, arm := range t.arms[:2] {
		paths[arm] = filepath.Join(t.builds.dir, arm+"."+kind+".pprof")
		if err := os.WriteFile(paths[arm], t.profiles[arm+"."+kind+".pprof"], 0o600); err != nil {
			return nil, fmt.Errorf("profiles: %w", err)
		}
	}
	args := []string{"tool", "pprof", "-top", "-nodecount=25", "-symbolize=none", "-diff_base=" + paths[gate.Base]}
	if index != "" {
		args = append(args, "-sample_index="+index)
	}
	c := exec.CommandContext(ctx, "go", append(args, paths[gate.Head])...)
	c.Dir = t.builds.root
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		advice := "the profiles are in the report: go tool pprof reads them one by one, too"
		what := subprocess.Failure{What: "compare the profiles", Program: "go tool pprof", Advice: advice}
		return nil, subprocess.Failed(ctx, what, err, errs.Bytes())
	}
	return out.Bytes(), nil
}

// profileSummary is the CPU table's head, for the summary.
func (t *trial) profileSummary() []byte {
	var b strings.Builder
	for _, k := range profileKinds[:2] {
		text := string(t.profiles["diff."+k.name+".txt"])
		if text == "" {
			continue
		}
		lines := strings.Split(strings.TrimSpace(text), "\n")
		fmt.Fprintf(&b, "\n### What head spends beyond base: %s\n\n```\n%s\n```\n", k.name, strings.Join(lines[:min(len(lines), 16)], "\n"))
	}
	return []byte(b.String())
}
