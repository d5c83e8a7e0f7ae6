package topology

import (
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/gatelab/gatelab/alerts"
	"github.com/gatelab/gatelab/dashboards"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/promconfig"
)

const (
	// scrapeInterval is short enough for the shortest alert (a replica that is down for 30 s); Grafana's data source has the same interval.
	scrapeInterval     = 5 * time.Second
	scrapeTimeout      = 4 * time.Second
	evaluationInterval = 15 * time.Second
)

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
func (t Topology) observers(l lab.Layout) ([]lab.Spec, error) {
	var specs []lab.Spec
	if t.Observe {
		prometheus, err := Prometheus(t, l)
		if err != nil {
			return nil, err
		}
		alertmanager, err := Alertmanager(t, l)
		if err != nil {
			return nil, err
		}
		specs = append(specs, alertmanager, prometheus, Monitor(t, l))
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

// Prometheus scrapes the replicas under the job that dashboards and alerts select, with the alerts of this repository. A replica's instance
// is its name and its port, whatever address the runtime gave it.
func Prometheus(t Topology, l lab.Layout) (lab.Spec, error) {
	job := func(name string, port int, nodes ...string) promconfig.Job {
		j := promconfig.Job{Name: name}
		for _, node := range nodes {
			j.Targets = append(j.Targets, promconfig.Target{Addr: l.DialAddr(node, port), Instance: node + ":" + strconv.Itoa(port)})
		}
		return j
	}
	var gateways []string
	for i := 1; i <= t.Replicas; i++ {
		gateways = append(gateways, GatewayName(i))
	}
	config, err := promconfig.Prometheus{
		ScrapeInterval: scrapeInterval, ScrapeTimeout: scrapeTimeout, EvaluationInterval: evaluationInterval,
		RuleFiles: []string{"rules/*.rules.yaml"}, Alertmanager: l.DialAddr(RoleAlertmanager, PortAlertmanager),
		Jobs: []promconfig.Job{
			job(RoleGateway, PortStatus, gateways...),
			job(RolePrometheus, PortPrometheus, RolePrometheus),
			job(RoleAlertmanager, PortAlertmanager, RoleAlertmanager),
		},
	}.YAML()
	if err != nil {
		return lab.Spec{}, err
	}
	files, err := filesOf(alerts.Files, "*.rules.yaml", prometheusRules)
	if err != nil {
		return lab.Spec{}, fmt.Errorf("prometheus: %w", err)
	}
	files[prometheusConfig] = config
	return t.limit(lab.Spec{
		Name: RolePrometheus, Role: RolePrometheus, Program: lab.ProgramPrometheus, Optional: true,
		Args: []string{
			"--config.file=" + prometheusConfig, "--storage.tsdb.path=/tmp/prometheus", "--storage.tsdb.retention.time=1d",
			"--web.listen-address=" + l.ListenAddr(RolePrometheus, PortPrometheus), "--log.level=warn",
			// Links in alerts are opened from this machine.
			"--web.external-url=http://127.0.0.1:" + strconv.Itoa(PortPrometheus),
		},
		Files: files, Ports: []int{PortPrometheus},
		Ready: readyHTTP(PortPrometheus, "/-/ready"), Grace: 5 * time.Second,
	}), nil
}

// inhibitions are those of deploy/prometheus/alertmanager.yml.
var inhibitions = []promconfig.Inhibition{
	{Source: "AvailabilityBudgetBurnFast", Target: "AvailabilityBudgetBurnSlow", Equal: []string{"job"}},
	{Source: "LatencyBudgetBurnFast", Target: "LatencyBudgetBurnSlow", Equal: []string{"job"}},
}

// Alertmanager shows Prometheus' alerts, grouped and inhibited as in deploy/prometheus. It notifies no receiver: what is tried by hand in a
// lab must not page anyone.
func Alertmanager(t Topology, l lab.Layout) (lab.Spec, error) {
	config, err := promconfig.Alertmanager{GroupBy: []string{"alertname", "job"}, GroupInterval: time.Minute, Inhibit: inhibitions}.YAML()
	if err != nil {
		return lab.Spec{}, err
	}
	return t.limit(lab.Spec{
		Name: RoleAlertmanager, Role: RoleAlertmanager, Program: lab.ProgramAlertmanager, Optional: true,
		Args: []string{
			"--config.file=" + alertmanagerConfig, "--storage.path=/tmp/alertmanager",
			"--web.listen-address=" + l.ListenAddr(RoleAlertmanager, PortAlertmanager), "--log.level=warn",
			"--web.external-url=http://127.0.0.1:" + strconv.Itoa(PortAlertmanager),
			"--cluster.listen-address=", // there is but one
		},
		Files: map[string][]byte{alertmanagerConfig: config}, Ports: []int{PortAlertmanager},
		Ready: readyHTTP(PortAlertmanager, "/-/ready"), Grace: 2 * time.Second,
	}), nil
}

// Monitor shows what Prometheus and Alertmanager say: their packages in Debian
// have no pages for it.
func Monitor(t Topology, l lab.Layout) lab.Spec {
	return t.limit(lab.Spec{
		Name: RoleMonitor, Role: RoleMonitor, Program: lab.ProgramHarness,
		Args: []string{
			"monitor", "--listen=" + l.ListenAddr(RoleMonitor, PortMonitor),
			"--prometheus=http://" + l.DialAddr(RolePrometheus, PortPrometheus),
			"--alertmanager=http://" + l.DialAddr(RoleAlertmanager, PortAlertmanager),
		},
		Ports: []int{PortMonitor}, Ready: readyHTTP(PortMonitor, "/health"), Grace: 2 * time.Second,
	})
}

// Grafana shows the dashboards over that Prometheus, to every client of
// its port on loopback.
func Grafana(t Topology, l lab.Layout) (lab.Spec, error) {
	files, err := filesOf(dashboards.Files, "*.json", grafanaFolder)
	if err != nil {
		return lab.Spec{}, fmt.Errorf("grafana: %w", err)
	}
	type object = map[string]any
	for path, config := range map[string]object{
		grafanaSources: {"apiVersion": 1, "datasources": []object{{
			"name": "gatelab Prometheus", "uid": dashboards.DataSourceUID, "type": "prometheus", "access": "proxy",
			"url": "http://" + l.DialAddr(RolePrometheus, PortPrometheus), "isDefault": true,
			"jsonData": object{"httpMethod": "POST", "timeInterval": scrapeInterval.String()},
		}}},
		grafanaBoards: {"apiVersion": 1, "providers": []object{{
			"name": "gatelab", "folder": "gatelab", "folderUid": "gatelab", "type": "file", "allowUiUpdates": false,
			"options": object{"path": grafanaFolder},
		}}},
	} {
		if files[path], err = yaml.Marshal(config); err != nil {
			return lab.Spec{}, fmt.Errorf("grafana: %s: %w", path, err)
		}
	}
	return t.limit(lab.Spec{
		Name: RoleGrafana, Role: RoleGrafana, Program: lab.ProgramGrafana, Optional: true, Files: files,
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
