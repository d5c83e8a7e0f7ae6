// Package charttest proves the Helm chart: what it renders are objects of Kubernetes, and, where GATELAB_TEST_KUBECONFIG names a
// cluster, ones that run there.
package charttest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	scheme "k8s.io/client-go/kubernetes/scheme"
)

const folder = "../chart"

func loadChart(t *testing.T) *chart.Chart {
	t.Helper()
	log.SetOutput(io.Discard) // of Helm, about symbolic links
	c, err := loader.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// values are those of a YAML text.
func values(t *testing.T, text string) map[string]any {
	t.Helper()
	v, err := chartutil.ReadValues([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// render is what an installation named "edge" in the namespace "shop" consists of, hooks included.
func render(t *testing.T, text string) (string, error) {
	t.Helper()
	install := action.NewInstall(&action.Configuration{})
	install.DryRun, install.ClientOnly = true, true
	install.ReleaseName, install.Namespace = "edge", "shop"
	install.KubeVersion = &chartutil.KubeVersion{Version: "v1.34.4", Major: "1", Minor: "34"}
	release, err := install.Run(loadChart(t), values(t, text))
	if err != nil {
		return "", err
	}
	all := []string{release.Manifest}
	for _, h := range release.Hooks {
		all = append(all, h.Manifest)
	}
	return strings.Join(all, "\n---\n"), nil
}

// objects are what a text of YAML documents describes. A field that its kind does not have, or that is there twice, is an error.
func objects(t *testing.T, text string) map[string]runtime.Object {
	t.Helper()
	kinds := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, monitoring.AddToScheme} {
		if err := add(kinds); err != nil {
			t.Fatal(err)
		}
	}
	decoder := serializer.NewCodecFactory(kinds, serializer.EnableStrict).UniversalDeserializer()
	out := map[string]runtime.Object{}
	for documents := yaml.NewYAMLReader(newReader(text)); ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(bytes.TrimSpace(withoutComments(document))) == 0 {
			continue
		}
		object, kind, err := decoder.Decode(document, nil, nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		key := fmt.Sprintf("%s/%s", kind.Kind, nameOf(t, object))
		if out[key] != nil {
			t.Errorf("%s is there twice", key)
		}
		out[key] = object
	}
}

func TestTheChartHasNoFaultsThatLintFinds(t *testing.T) {
	result := lint.All(folder, values(t, least), "shop", true)
	for _, m := range result.Messages {
		if m.Severity >= support.WarningSev {
			t.Error(m)
		}
	}
}

// least are the least values with Postgres, and all of them.
const (
	least = `{postgres: {existingSecret: pg}, admin: {existingSecret: tokens}}`
	whole = `
replicas: 2
postgres: {dsn: "postgres://gateway:p\"w@pg:5432/gateway"}
admin: {tokens: "ops read-write sha256:x", hosts: [admin.example.com], allowFrom: [{namespaceSelector: {}}]}
settings: {proxy_ssl_listen: "0.0.0.0:8443", cache_memory: 128MiB, http2: "off", max_connections: 5000, revision_header: true}
extraEnv: [{name: GATEWAY_REDIS_PASSWORD, valueFrom: {secretKeyRef: {name: redis, key: password}}}]
extraVolumes: [{name: certificates, secret: {secretName: tls}}]
extraVolumeMounts: [{name: certificates, mountPath: /etc/certificates, readOnly: true}]
imagePullSecrets: [{name: pull}]
service: {type: LoadBalancer, annotations: {a: b}, externalTrafficPolicy: Local}
ingress:
  {enabled: true, className: nginx, annotations: {c: d}, hosts: [shop.example.com], tls: [{hosts: [shop.example.com], secretName: shop}]}
autoscaling: {enabled: true, inFlight: 100}
networkPolicy: {proxyFrom: [{podSelector: {}}], statusFrom: [{podSelector: {}}]}
podAnnotations: {e: f}
podLabels: {g: h}
nodeSelector: {i: j}
tolerations: [{key: edge, operator: Exists}]
affinity: {nodeAffinity: {}}
priorityClassName: high
serviceMonitor: {enabled: true, labels: {release: prometheus}}
prometheusRule: {enabled: true, job: edge, runbookURL: "https://runbooks.example.com/gateway/", labels: {release: prometheus}}
dashboards: {enabled: true}
backup: {enabled: true, storageClass: slow}
`
	fromFile = `
postgres: {enabled: false}
declarative:
  config: |
    _format_version: "3.0"
    services: []
admin: {enabled: false}
podDisruptionBudget: {enabled: false}
networkPolicy: {enabled: false}
`
)
