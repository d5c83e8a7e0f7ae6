package host

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/alerts"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// TestPrometheusSeesEveryTarget starts real ones beside gateways: every target
// is up under its name, every rule is loaded, the Alertmanager is known.
func TestPrometheusSeesEveryTarget(t *testing.T) {
	place(t)
	r := open(t, Config{})
	for _, program := range []string{lab.ProgramPrometheus, lab.ProgramAlertmanager} {
		if _, err := r.programs.find(program, lab.Source{}); err != nil {
			t.Fatalf("%v: run make deps; this tests what `make up` shows in Prometheus", err)
		}
	}
	observed := topology.Topology{Replicas: 2, Observe: true}
	l, err := topology.Start(t.Context(), r, observed, lab.Options{Layout: r.Layout()})
	must(t, err)
	api := "http://" + pick(t, l, topology.RolePrometheus).HostAddr(topology.PortPrometheus) + "/api/v1/"
	want := []string{"alertmanager:9093 up", "gateway-1:8100 up", "gateway-2:8100 up", "prometheus:9090 up"}
	var saw []string
	waitFor(t, func() bool {
		var targets struct {
			Active []struct {
				Labels map[string]string `json:"labels"`
				Health string            `json:"health"`
			} `json:"activeTargets"`
		}
		ask(t, api+"targets", &targets)
		saw = nil
		for _, target := range targets.Active {
			saw = append(saw, target.Labels["instance"]+" "+target.Health)
		}
		slices.Sort(saw)
		return slices.Equal(saw, want)
	}, func() string { return fmt.Sprintf("targets %q, want %q", saw, want) })
	var rules struct {
		Groups []struct {
			Rules []json.RawMessage `json:"rules"`
		} `json:"groups"`
	}
	ask(t, api+"rules", &rules)
	known, err := alerts.Rules()
	must(t, err)
	n := 0
	for _, g := range rules.Groups {
		n += len(g.Rules)
	}
	if n != len(known) || n == 0 {
		t.Errorf("%d rules are loaded, want %d", n, len(known))
	}
	var receivers struct {
		Active []struct {
			URL string `json:"url"`
		} `json:"activeAlertmanagers"`
	}
	at := pick(t, l, topology.RoleAlertmanager).HostAddr(topology.PortAlertmanager)
	waitFor(t, func() bool {
		ask(t, api+"alertmanagers", &receivers)
		return len(receivers.Active) == 1 && strings.Contains(receivers.Active[0].URL, at)
	}, func() string { return fmt.Sprintf("alerts go to %v, want %s", receivers.Active, at) })
}

// ask reads the data of an answer of Prometheus' API.
func ask(t *testing.T, url string, data any) {
	t.Helper()
	status, body, err := fetch(url)
	must(t, err)
	answer := struct {
		Data any `json:"data"`
	}{data}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 {
		t.Fatalf("%s: %d: %v: %.300s", url, status, err, body)
	}
}

// waitFor polls until done, for at most half a minute.
func waitFor(t *testing.T, done func() bool, saw func() string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatal(saw())
		}
		time.Sleep(100 * time.Millisecond)
	}
}
