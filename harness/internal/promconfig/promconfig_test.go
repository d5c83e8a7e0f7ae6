package promconfig

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

func prometheus() Prometheus {
	return Prometheus{
		ScrapeInterval: 500 * time.Millisecond, ScrapeTimeout: 500 * time.Millisecond, EvaluationInterval: 15 * time.Second,
		RuleFiles: []string{"rules/*.rules.yaml"}, Alertmanager: "127.0.0.1:9093",
		Jobs: []Job{
			{Name: "gateway", Targets: []Target{{Addr: "[::1]:8100", Instance: "gateway-1"}, {Addr: "b:8100", Instance: `odd "name"`}}},
			{Name: "gone"},
		},
	}
}

func alertmanager() Alertmanager {
	return Alertmanager{
		Webhook: "http://127.0.0.1:9465/alerts", GroupBy: []string{"alertname", "job"}, GroupInterval: time.Minute,
		Inhibit: []Inhibition{{Source: "Fast", Target: "Slow", Equal: []string{"job"}}},
	}
}

func TestPrometheusYAML(t *testing.T) {
	text, err := prometheus().YAML()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Global  map[string]string `yaml:"global"`
		Scrapes []struct {
			Job    string `yaml:"job_name"`
			Static []struct {
				Targets []string          `yaml:"targets"`
				Labels  map[string]string `yaml:"labels"`
			} `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	want := map[string]string{"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "15s"}
	if !reflect.DeepEqual(got.Global, want) {
		t.Errorf("global %v", got.Global)
	}
	if len(got.Scrapes) != 2 || got.Scrapes[1].Job != "gone" || len(got.Scrapes[1].Static) != 0 {
		t.Fatalf("jobs %+v: want one without targets", got.Scrapes)
	}
	if s := got.Scrapes[0].Static[1]; s.Targets[0] != "b:8100" || s.Labels["instance"] != `odd "name"` {
		t.Errorf("target %+v", s)
	}
}

// What is written is what Prometheus' and Alertmanager's own tools accept.
func TestConfigurationsAreValid(t *testing.T) {
	if testing.Short() {
		t.Skip("needs promtool and amtool, and -short asks for tests without other programs: run make test")
	}
	silent := alertmanager()
	silent.Webhook, silent.Inhibit = "", nil
	for _, row := range []struct {
		name string
		yaml func() ([]byte, error)
		tool []string
	}{
		{name: "prometheus", yaml: prometheus().YAML, tool: []string{"promtool", "check", "config", "--syntax-only"}},
		{name: "alertmanager", yaml: alertmanager().YAML, tool: []string{"amtool", "check-config"}},
		{name: "an alertmanager that tells none", yaml: silent.YAML, tool: []string{"amtool", "check-config"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			text, err := row.yaml()
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "config.yml")
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			argv := append(slices.Clone(row.tool), file)
			if out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput(); err != nil {
				t.Errorf("%v: %v: if it is missing, run make deps\n%s\n%s", argv, err, out, text)
			}
		})
	}
}
