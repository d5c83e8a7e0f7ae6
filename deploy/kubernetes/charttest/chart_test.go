package charttest

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// rendered are the objects of values that must be good.
func rendered(t *testing.T, text string) map[string]runtime.Object {
	t.Helper()
	out, err := render(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return objects(t, out)
}

func TestObjects(t *testing.T) {
	for _, c := range []struct {
		name, values string
		want         []string
	}{
		{"least", least, []string{
			"Deployment/edge-gateway", "Job/edge-gateway-migrate", "NetworkPolicy/edge-gateway", "PodDisruptionBudget/edge-gateway",
			"Service/edge-gateway", "Service/edge-gateway-admin", "Service/edge-gateway-status",
		}},
		{"whole", whole, []string{
			"ConfigMap/edge-gateway-cache-dashboard", "ConfigMap/edge-gateway-limits-dashboard", "ConfigMap/edge-gateway-overview-dashboard",
			"ConfigMap/edge-gateway-runtime-dashboard", "ConfigMap/edge-gateway-stores-dashboard", "ConfigMap/edge-gateway-upstreams-dashboard",
			"CronJob/edge-gateway-backup", "Deployment/edge-gateway", "HorizontalPodAutoscaler/edge-gateway", "Ingress/edge-gateway",
			"Job/edge-gateway-migrate", "NetworkPolicy/edge-gateway", "PersistentVolumeClaim/edge-gateway-backup",
			"PodDisruptionBudget/edge-gateway", "PrometheusRule/edge-gateway", "Secret/edge-gateway-admin-tokens",
			"Secret/edge-gateway-migrate", "Secret/edge-gateway-postgres", "Service/edge-gateway", "Service/edge-gateway-admin",
			"Service/edge-gateway-status", "ServiceMonitor/edge-gateway",
		}},
		{"from a file", fromFile, []string{
			"ConfigMap/edge-gateway-declarative", "Deployment/edge-gateway", "Service/edge-gateway", "Service/edge-gateway-status",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := slices.Sorted(maps.Keys(rendered(t, c.values)))
			if !slices.Equal(got, c.want) {
				t.Errorf("objects:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// TestPodsRunWithoutPrivileges is of every pod that the chart makes.
func TestPodsRunWithoutPrivileges(t *testing.T) {
	all := rendered(t, whole)
	for name, spec := range map[string]core.PodSpec{
		"gateway": get[*apps.Deployment](t, all, "Deployment/edge-gateway").Spec.Template.Spec,
		"migrate": get[*batch.Job](t, all, "Job/edge-gateway-migrate").Spec.Template.Spec,
		"backup":  get[*batch.CronJob](t, all, "CronJob/edge-gateway-backup").Spec.JobTemplate.Spec.Template.Spec,
	} {
		if isNot(spec.AutomountServiceAccountToken, false) || isNot(spec.EnableServiceLinks, false) {
			t.Errorf("%s: it has a token of the API, or variables of other services", name)
		}
		if p := spec.SecurityContext; p == nil || !*p.RunAsNonRoot || p.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s: %+v", name, p)
		}
		for _, c := range spec.Containers {
			s := c.SecurityContext
			if s == nil || isNot(s.AllowPrivilegeEscalation, false) || isNot(s.ReadOnlyRootFilesystem, true) ||
				!slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) {
				t.Errorf("%s: %+v", name, s)
			}
			if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
				t.Errorf("%s: no limit of memory, or no request of CPU: %+v", name, c.Resources)
			}
		}
	}
}

// environment are a container's variables with values.
func environment(c core.Container) map[string]string {
	out := map[string]string{}
	for _, e := range c.Env {
		out[e.Name] = e.Value
	}
	return out
}

func TestTheGatewaysPod(t *testing.T) {
	spec := get[*apps.Deployment](t, rendered(t, whole), "Deployment/edge-gateway").Spec
	pod := spec.Template.Spec
	env := environment(pod.Containers[0])
	for name, want := range map[string]string{
		"GATEWAY_MAX_CONNECTIONS": "5000", "GATEWAY_REVISION_HEADER": "true", "GATEWAY_HTTP2": "off", "GATEWAY_CACHE_MEMORY": "128MiB",
		"GATEWAY_ADMIN_TOKENS_FILE": "/etc/gateway/admin/admin-tokens",
		"GATEWAY_ADMIN_HOSTS": "edge-gateway-admin,edge-gateway-admin.shop,edge-gateway-admin.shop.svc," +
			"edge-gateway-admin.shop.svc.cluster.local,admin.example.com",
	} {
		if env[name] != want {
			t.Errorf("%s=%q: want %q", name, env[name], want)
		}
	}
	delay, err1 := time.ParseDuration(env["GATEWAY_DRAIN_DELAY"])
	timeout, err2 := time.ParseDuration(env["GATEWAY_DRAIN_TIMEOUT"])
	grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second
	if err1 != nil || err2 != nil || grace <= delay+timeout {
		t.Errorf("SIGKILL comes after %s, in a drain of %s and %s: %v %v", grace, delay, timeout, err1, err2)
	}
	if spec.Replicas != nil {
		t.Error("an upgrade would undo what the autoscaler has set")
	}
	if u := spec.Strategy.RollingUpdate; u == nil || u.MaxUnavailable.IntValue() != 0 {
		t.Errorf("strategy %+v", u)
	}
	for _, s := range pod.TopologySpreadConstraints {
		if !maps.Equal(s.LabelSelector.MatchLabels, spec.Selector.MatchLabels) {
			t.Errorf("the spread is of %v", s.LabelSelector.MatchLabels)
		}
	}
	for key, value := range spec.Selector.MatchLabels {
		if spec.Template.Labels[key] != value {
			t.Errorf("pods have no label %s=%s", key, value)
		}
	}
	file := get[*core.ConfigMap](t, rendered(t, fromFile), "ConfigMap/edge-gateway-declarative")
	if !strings.Contains(file.Data["gateway.yml"], `_format_version: "3.0"`) {
		t.Errorf("the declarative file is %q", file.Data)
	}
}

func TestScaling(t *testing.T) {
	h := get[*autoscaling.HorizontalPodAutoscaler](t, rendered(t, whole), "HorizontalPodAutoscaler/edge-gateway").Spec
	if len(h.Metrics) != 2 || *h.Metrics[0].Resource.Target.AverageUtilization != 70 || h.Metrics[1].Pods.Target.AverageValue.Value() != 100 {
		t.Errorf("metrics %+v", h.Metrics)
	}
	if h.ScaleTargetRef.Name != "edge-gateway" || *h.MinReplicas != 3 || h.MaxReplicas != 12 {
		t.Errorf("%+v", h)
	}
}

// TestOnlyTheAdminPortIsClosed reads the policy as a cluster does: a rule without peers allows all.
func TestOnlyTheAdminPortIsClosed(t *testing.T) {
	peers := map[int]int{}
	for _, rule := range get[*networking.NetworkPolicy](t, rendered(t, least), "NetworkPolicy/edge-gateway").Spec.Ingress {
		for _, p := range rule.Ports {
			peers[p.Port.IntValue()] = len(rule.From)
		}
	}
	if want := map[int]int{8000: 0, 8100: 0, 8001: 1}; !maps.Equal(peers, want) {
		t.Errorf("peers by port %v: want %v", peers, want)
	}
}

func TestRulesAndDashboardsAreTheProjects(t *testing.T) {
	all := rendered(t, whole)
	have := map[string]bool{}
	for _, g := range get[*monitoring.PrometheusRule](t, all, "PrometheusRule/edge-gateway").Spec.Groups {
		for _, r := range g.Rules {
			have[r.Alert] = true
			if strings.Contains(r.Expr.String(), `job="gateway"`) {
				t.Errorf("%s%s: the job is that of the project: %s", r.Alert, r.Record, r.Expr.String())
			}
			if url := r.Annotations["runbook_url"]; r.Alert != "" && url != "https://runbooks.example.com/gateway/"+r.Alert+".md" {
				t.Errorf("%s: runbook %q", r.Alert, url)
			}
		}
	}
	books, err := filepath.Glob("../../../alerts/runbooks/*.md")
	if err != nil || len(books) < 10 {
		t.Fatal(books, err)
	}
	for _, book := range books {
		if name := strings.TrimSuffix(filepath.Base(book), ".md"); name != "README" && !have[name] {
			t.Errorf("no rule %s", name)
		}
	}
	want, err := os.ReadFile("../../../dashboards/gatelab-overview.json")
	if err != nil {
		t.Fatal(err)
	}
	got := get[*core.ConfigMap](t, all, "ConfigMap/edge-gateway-overview-dashboard").Data["gatelab-overview.json"]
	if strings.TrimSpace(got) != strings.TrimSpace(string(want)) {
		t.Error("the dashboard is not the project's")
	}
	monitor := get[*monitoring.ServiceMonitor](t, all, "ServiceMonitor/edge-gateway").Spec
	status := get[*core.Service](t, all, "Service/edge-gateway-status")
	if status.Labels[monitor.JobLabel] != "edge" || status.Spec.Ports[0].Name != monitor.Endpoints[0].Port {
		t.Errorf("job %q, port %q", status.Labels[monitor.JobLabel], monitor.Endpoints[0].Port)
	}
	for key, value := range monitor.Selector.MatchLabels {
		if status.Labels[key] != value {
			t.Errorf("the service of the metrics has no label %s=%s", key, value)
		}
	}
}

// TestWrongValues have a reason that names the value.
func TestWrongValues(t *testing.T) {
	for _, c := range []struct{ values, want string }{
		{"{}", "postgres.existingSecret and postgres.dsn are empty"},
		{"{postgres: {existingSecret: pg}}", "admin.existingSecret and admin.tokens are empty"},
		{"{postgres: {enabled: false}, admin: {enabled: false}}", "want declarative.existingConfigMap or declarative.config"},
		{
			"{postgres: {enabled: false}, declarative: {config: x}, admin: {enabled: false}, backup: {enabled: true}}",
			"want postgres.enabled=true",
		},
		{least[:len(least)-1] + ", autoscaling: {enabled: true, cpuPercent: 0}}", "want one of them above 0"},
		{least[:len(least)-1] + ", autoscaling: {enabled: true, minReplicas: 9, maxReplicas: 4}}", "want at most maxReplicas, 4"},
		{"{replica: 3}", "replica"},
		{"{replicas: many}", "replicas"},
		{"{drain: {delay: 5}}", "drain"},
		{"{image: {pullPolicy: Sometimes}}", "pullPolicy"},
		{least[:len(least)-1] + ", settings: {pg_dsn: x}}", "settings.pg_dsn: the chart sets it: postgres"},
		{least[:len(least)-1] + ", settings: {proxy_ssl_listen: '0.0.0.0:443'}}", "want port 8443"},
		{"{settings: {Cache-Memory: x}}", "Cache-Memory"},
		{"{settings: {cache_memory: [1]}}", "cache_memory"},
		{"{service: {type: ExternalName}}", "type"},
		{"{backup: {keep: -1}}", "keep"},
		{"{prometheusRule: {job: 'a\"b'}}", "job"},
	} {
		if _, err := render(t, c.values); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %q", c.values, err, c.want)
		}
	}
}
