package lab

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"gatelab/alerts"
	"gatelab/dashboards"
)

// scrapeEvery is often enough for the shortest alert (a replica that is down
// for 30 s); Grafana's data source has the same interval.
const scrapeEvery = "5s"

// The files of the observing nodes. Rules are found beside the configuration
// that names them, wherever a runtime puts it.
const (
	prometheusConfig   = "/etc/prometheus/prometheus.yml"
	prometheusRules    = "/etc/prometheus/rules/"
	alertmanagerConfig = "/etc/alertmanager/alertmanager.yml"
	grafanaSources     = "/etc/grafana/provisioning/datasources/gatelab.yml"
	grafanaBoards      = "/etc/grafana/provisioning/dashboards/gatelab.yml"
	grafanaFolder      = "/etc/gatelab/dashboards/"
)

// observers are the nodes that watch the others, where the topology wants them.
func (t Topology) observers(l Layout) ([]Spec, error) {
	var specs []Spec
	if t.Observe {
		prometheus, err := Prometheus(t, l)
		if err != nil {
			return nil, err
		}
		specs = append(specs, Alertmanager(t, l), prometheus)
	}
	if t.Grafana {
		grafana, err := Grafana(t, l)
		if err != nil {
			return nil, err
		}
		specs = append(specs, grafana)
	}
	return specs, nil
}

// Prometheus scrapes the replicas under the job that dashboards and alerts go
// by, with the alerts of this repository. A replica's instance is its name and
// its port, whatever address the runtime gave it.
func Prometheus(t Topology, l Layout) (Spec, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "global: {scrape_interval: %s, scrape_timeout: 4s, evaluation_interval: 15s}\n", scrapeEvery)
	b.WriteString("rule_files: [rules/*.rules.yaml]\n")
	fmt.Fprintf(&b, "alerting:\n  alertmanagers:\n    - static_configs: [{targets: [%q]}]\n", l.addr(RoleAlertmanager, PortAlertmanager))
	b.WriteString("scrape_configs:\n")
	job := func(name string, port int, nodes ...string) {
		fmt.Fprintf(&b, "  - job_name: %s\n    static_configs:\n", name)
		for _, node := range nodes {
			fmt.Fprintf(&b, "      - {targets: [%q], labels: {instance: %q}}\n", l.addr(node, port), node+":"+strconv.Itoa(port))
		}
	}
	var gateways []string
	for i := 1; i <= t.Replicas; i++ {
		gateways = append(gateways, GatewayName(i))
	}
	job(RoleGateway, PortStatus, gateways...)
	job(RolePrometheus, PortPrometheus, RolePrometheus)
	job(RoleAlertmanager, PortAlertmanager, RoleAlertmanager)
	files, err := filesOf(alerts.Files, "*.rules.yaml", prometheusRules)
	if err != nil {
		return Spec{}, fmt.Errorf("prometheus: %w", err)
	}
	files[prometheusConfig] = []byte(b.String())
	return t.limit(Spec{
		Name: RolePrometheus, Role: RolePrometheus, Program: ProgramPrometheus, Optional: true,
		Args: []string{
			"--config.file=" + prometheusConfig, "--storage.tsdb.path=/tmp/prometheus", "--storage.tsdb.retention.time=1d",
			"--web.listen-address=" + l.listen(RolePrometheus, PortPrometheus), "--log.level=warn",
			// Links in alerts are opened from this machine.
			"--web.external-url=http://127.0.0.1:" + strconv.Itoa(PortPrometheus),
		},
		Files: files, Ports: []int{PortPrometheus},
		Ready: readyHTTP(PortPrometheus, "/-/ready"), Grace: 5 * time.Second,
	}), nil
}

// alertmanagerYAML groups and silences as deploy/prometheus does, but tells
// nobody: what a hand does to a lab is nobody else's alarm.
const alertmanagerYAML = `route:
  receiver: nobody
  group_by: [alertname, job]
  group_wait: 0s
  group_interval: 1m
  repeat_interval: 4h
receivers:
  - name: nobody
inhibit_rules:
  - source_matchers: [alertname="AvailabilityBudgetBurnFast"]
    target_matchers: [alertname="AvailabilityBudgetBurnSlow"]
    equal: [job]
  - source_matchers: [alertname="LatencyBudgetBurnFast"]
    target_matchers: [alertname="LatencyBudgetBurnSlow"]
    equal: [job]
`

// Alertmanager takes Prometheus' alerts and shows them; its receiver sends
// nothing.
func Alertmanager(t Topology, l Layout) Spec {
	return t.limit(Spec{
		Name: RoleAlertmanager, Role: RoleAlertmanager, Program: ProgramAlertmanager, Optional: true,
		Args: []string{
			"--config.file=" + alertmanagerConfig, "--storage.path=/tmp/alertmanager",
			"--web.listen-address=" + l.listen(RoleAlertmanager, PortAlertmanager), "--log.level=warn",
			"--web.external-url=http://127.0.0.1:" + strconv.Itoa(PortAlertmanager),
			"--cluster.listen-address=", // there is but one
		},
		Files: map[string][]byte{alertmanagerConfig: []byte(alertmanagerYAML)}, Ports: []int{PortAlertmanager},
		Ready: readyHTTP(PortAlertmanager, "/-/ready"), Grace: 2 * time.Second,
	})
}

// Grafana shows the dashboards over that Prometheus, to everybody who reaches
// its port on loopback.
func Grafana(t Topology, l Layout) (Spec, error) {
	files, err := filesOf(dashboards.Files, "*.json", grafanaFolder)
	if err != nil {
		return Spec{}, fmt.Errorf("grafana: %w", err)
	}
	files[grafanaSources] = fmt.Appendf(nil, `apiVersion: 1
datasources:
  - {name: gatelab Prometheus, uid: gatelab-prometheus, type: prometheus, access: proxy, url: "http://%s", isDefault: true, jsonData: {httpMethod: POST, timeInterval: %s}}
`, l.addr(RolePrometheus, PortPrometheus), scrapeEvery)
	files[grafanaBoards] = []byte(`apiVersion: 1
providers:
  - {name: gatelab, folder: gatelab, folderUid: gatelab, type: file, allowUiUpdates: false, options: {path: ` + grafanaFolder + `}}
`)
	return t.limit(Spec{
		Name: RoleGrafana, Role: RoleGrafana, Program: ProgramGrafana, Optional: true, Files: files,
		Env: map[string]string{
			"GF_AUTH_ANONYMOUS_ENABLED": "true", "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer", "GF_USERS_ALLOW_SIGN_UP": "false",
			"GF_ANALYTICS_REPORTING_ENABLED": "false", "GF_ANALYTICS_CHECK_FOR_UPDATES": "false", "GF_LOG_LEVEL": "warn",
			"GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": grafanaFolder + "gatelab-overview.json",
		},
		Ports: []int{PortGrafana}, Ready: readyHTTP(PortGrafana, "/api/health"), ReadyIn: time.Minute, Grace: 5 * time.Second,
	}), nil
}

// filesOf are embedded files under the paths that a node has them at.
func filesOf(from fs.FS, pattern, folder string) (map[string][]byte, error) {
	names, err := fs.Glob(from, pattern)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, name := range names {
		if files[folder+name], err = fs.ReadFile(from, name); err != nil {
			return nil, err
		}
	}
	return files, nil
}
