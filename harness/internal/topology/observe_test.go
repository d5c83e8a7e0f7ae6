package topology_test

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/gatelab/gatelab/alerts"
	"github.com/gatelab/gatelab/dashboards"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/lab/labtest"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

type promConfig struct {
	Rules    []string `yaml:"rule_files"`
	Alerting struct {
		Alertmanagers []struct {
			Static []struct {
				Targets []string `yaml:"targets"`
			} `yaml:"static_configs"`
		} `yaml:"alertmanagers"`
	} `yaml:"alerting"`
	Scrapes []struct {
		Job    string `yaml:"job_name"`
		Static []struct {
			Targets []string          `yaml:"targets"`
			Labels  map[string]string `yaml:"labels"`
		} `yaml:"static_configs"`
	} `yaml:"scrape_configs"`
}

// packed is a layout in which every node is on one address, as with fixed ports.
func packed() lab.Layout {
	at := func(node string, port int) string {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(port+1000*len(node)))
	}
	return lab.Layout{Listen: at, Addr: at}
}

func observed(t *testing.T, l lab.Layout) map[string]lab.Spec {
	t.Helper()
	specs, err := topology.Topology{Replicas: 3, Observe: true, Grafana: true}.Specs(l)
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]lab.Spec{}
	for _, s := range specs {
		by[s.Name] = s
	}
	return by
}

func TestPrometheusScrapesEveryReplicaUnderItsName(t *testing.T) {
	for name, l := range map[string]lab.Layout{"a network": {}, "one address": packed()} {
		s := observed(t, l)[topology.RolePrometheus]
		var c promConfig
		if err := yaml.Unmarshal(s.Files["/etc/prometheus/prometheus.yml"], &c); err != nil {
			t.Fatal(err)
		}
		addr := func(node string, port int) string {
			if l.Addr == nil {
				return net.JoinHostPort(node, strconv.Itoa(port))
			}
			return l.Addr(node, port)
		}
		var got []string
		for _, j := range c.Scrapes {
			for _, st := range j.Static {
				got = append(got, j.Job+" "+st.Labels["instance"]+" "+strings.Join(st.Targets, ","))
			}
		}
		want := []string{
			"gateway gateway-1:8100 " + addr("gateway-1", 8100), "gateway gateway-2:8100 " + addr("gateway-2", 8100),
			"gateway gateway-3:8100 " + addr("gateway-3", 8100),
			"prometheus prometheus:9090 " + addr("prometheus", 9090), "alertmanager alertmanager:9093 " + addr("alertmanager", 9093),
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: scrapes %q, want %q", name, got, want)
		}
		if to := c.Alerting.Alertmanagers[0].Static[0].Targets; !slices.Equal(to, []string{addr("alertmanager", 9093)}) {
			t.Errorf("%s: alerts go to %v", name, to)
		}
	}
}

func TestPrometheusHasAllRules(t *testing.T) {
	s := observed(t, lab.Layout{})[topology.RolePrometheus]
	rules, err := alerts.Rules()
	if err != nil || len(rules) == 0 {
		t.Fatalf("%d rules: %v", len(rules), err)
	}
	for _, r := range rules {
		if len(s.Files["/etc/prometheus/rules/"+r.File]) == 0 {
			t.Errorf("no file %s", r.File)
		}
	}
	var c promConfig
	if err := yaml.Unmarshal(s.Files["/etc/prometheus/prometheus.yml"], &c); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Rules, []string{"rules/*.rules.yaml"}) {
		t.Errorf("rule files %q: want those beside the configuration", c.Rules)
	}
}

// TestAlertmanagerTellsNobody: no receiver has where to send to.
func TestAlertmanagerTellsNobody(t *testing.T) {
	var c struct {
		Receivers []map[string]any `yaml:"receivers"`
		Route     struct {
			Receiver string `yaml:"receiver"`
		} `yaml:"route"`
	}
	config := observed(t, lab.Layout{})[topology.RoleAlertmanager].Files["/etc/alertmanager/alertmanager.yml"]
	if err := yaml.Unmarshal(config, &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Receivers) != 1 || len(c.Receivers[0]) != 1 || c.Receivers[0]["name"] != c.Route.Receiver {
		t.Errorf("receivers %v, route %v: want one by name only", c.Receivers, c.Route)
	}
}

// TestAlertmanagerInhibitsAsDeployed: one alert keeps another one silent here if it does in the configuration that is deployed.
func TestAlertmanagerInhibitsAsDeployed(t *testing.T) {
	deployed, err := os.ReadFile("../../../deploy/prometheus/alertmanager.yml")
	if err != nil {
		t.Fatal(err)
	}
	rules := func(text []byte) string {
		var c struct {
			Inhibit []struct {
				Sources []string `yaml:"source_matchers"`
				Targets []string `yaml:"target_matchers"`
				Equal   []string `yaml:"equal"`
			} `yaml:"inhibit_rules"`
		}
		if err := yaml.Unmarshal(text, &c); err != nil || len(c.Inhibit) == 0 {
			t.Fatalf("%d inhibit rules, %v", len(c.Inhibit), err)
		}
		return fmt.Sprintf("%q", c.Inhibit)
	}
	ours := observed(t, lab.Layout{})[topology.RoleAlertmanager].Files["/etc/alertmanager/alertmanager.yml"]
	if got, want := rules(ours), rules(deployed); got != want {
		t.Errorf("inhibits %s, deployed %s", got, want)
	}
}

func TestGrafanaHasDashboardsAndTheirDataSource(t *testing.T) {
	s := observed(t, lab.Layout{})[topology.RoleGrafana]
	for _, b := range dashboards.All() {
		if len(s.Files["/etc/gatelab/dashboards/"+b.UID+".json"]) == 0 {
			t.Errorf("no dashboard %s", b.UID)
		}
	}
	var c struct {
		Sources []map[string]any `yaml:"datasources"`
	}
	if err := yaml.Unmarshal(s.Files["/etc/grafana/provisioning/datasources/gatelab.yml"], &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Sources) != 1 || c.Sources[0]["uid"] != "gatelab-prometheus" || c.Sources[0]["url"] != "http://prometheus:9090" {
		t.Errorf("data sources %v", c.Sources)
	}
	var boards struct {
		Providers []map[string]any `yaml:"providers"`
	}
	if err := yaml.Unmarshal(s.Files["/etc/grafana/provisioning/dashboards/gatelab.yml"], &boards); err != nil || len(boards.Providers) != 1 {
		t.Errorf("providers %v: %v", boards.Providers, err)
	}
}

func TestRunsHaveNobodyWatching(t *testing.T) {
	specs, err := topology.Topology{Replicas: 1}.Specs(lab.Layout{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range specs {
		if s.Optional {
			t.Errorf("a run has %s, which takes its time", s.Name)
		}
	}
}

// incompleteRuntime is a runtime without one program.
type incompleteRuntime struct {
	*labtest.Runtime
	program string
}

func (r incompleteRuntime) Lacks(program string) bool { return program == r.program }

// TestOptionalNodesMayBeMissing: what cannot be had and is optional is left out;
// what is necessary is not.
func TestOptionalNodesMayBeMissing(t *testing.T) {
	for program, want := range map[string][]string{
		lab.ProgramGrafana: {topology.RoleGrafana}, lab.ProgramAlertmanager: {topology.RoleAlertmanager}, lab.ProgramPostgres: nil,
	} {
		all, err := topology.Topology{Replicas: 1, Observe: true, Grafana: true}.Specs(lab.Layout{})
		if err != nil {
			t.Fatal(err)
		}
		left := map[string]bool{}
		for _, s := range lab.Without(incompleteRuntime{labtest.New(), program}, slices.Clone(all)) {
			left[s.Name] = true
		}
		for _, s := range all {
			if left[s.Name] == slices.Contains(want, s.Name) {
				t.Errorf("without %s: %s is left in: %v", program, s.Name, left[s.Name])
			}
		}
	}
}
