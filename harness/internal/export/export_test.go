package export

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/result/resulttest"
)

// recent is the sample run as if it had just ended: a Prometheus takes no old samples.
func recent() *result.Result {
	r := resulttest.Ladder()
	r.FinishedAt = time.Now().UTC().Truncate(time.Second)
	r.StartedAt = r.FinishedAt.Add(-2 * time.Minute)
	for i := range r.Stages {
		for j := range r.Stages[i].Attacks {
			r.Stages[i].Attacks[j].BeganAt = r.FinishedAt.Add(-time.Duration(100-30*j) * time.Second)
		}
	}
	for i := range r.Faults {
		r.Faults[i].InjectedAt = r.FinishedAt.Add(-60 * time.Second)
		if r.Faults[i].RecoveredAt != nil {
			r.Faults[i].RecoveredAt = new(r.FinishedAt.Add(-50 * time.Second))
		}
	}
	r.Settle()
	return r
}

func TestOpenMetrics(t *testing.T) {
	r := recent()
	r.Scenario = "a \"name\"\nwith\\everything"
	var b bytes.Buffer
	if err := OpenMetrics(&b, r); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{
		"# TYPE harness_run_info gauge\n", `scenario="a \"name\"\nwith\\everything"`, "\n# EOF\n",
		`harness_stage_latency_seconds{quantile="0.99",run="` + r.RunID, `harness_stage_objective_met{objective="errors<0.01%",`,
		`harness_attack_rate{model="open",outcome="error",round="1",`, `harness_run_fault_active{fault="`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing of %s in\n%s", want, text[:min(len(text), 3000)])
		}
	}
	if !strings.Contains(text, "} 0.0213 ") {
		t.Error("21.3 ms are not 0.0213 s")
	}
	if strings.Contains(text, "NaN") || strings.Count(text, "# TYPE harness_attack_rate ") != 1 {
		t.Error("a figure that was not measured, or a family in two places")
	}
}

// A fault that comes again is one series, whose samples stand together.
func TestSamplesOfASeriesStandTogether(t *testing.T) {
	r := recent()
	at := func(s int) time.Time { return r.FinishedAt.Add(time.Duration(s) * time.Second) }
	kill := func(target string, from int) result.Fault {
		return result.Fault{Name: "kill", Target: target, InjectedAt: at(from), RecoveredAt: new(at(from + 1))}
	}
	r.Faults = []result.Fault{kill("a", -40), kill("b", -30), kill("a", -20)}
	for _, f := range Families(r) {
		if f.GetName() != "harness_run_fault_active" {
			continue
		}
		var targets string
		for i, m := range f.Metric {
			for _, l := range m.Label {
				if l.GetName() == "target" {
					targets += l.GetValue()
				}
			}
			if i > 0 && key(m) == key(f.Metric[i-1]) && m.GetTimestampMs() <= f.Metric[i-1].GetTimestampMs() {
				t.Errorf("sample %d is not later than the one before", i)
			}
		}
		if targets != "aaaabb" {
			t.Errorf("series in the order %s, want aaaabb", targets)
		}
		return
	}
	t.Error("no faults")
}

// What is written is what Prometheus's own tool imports, and the figures come back.
func TestPromtoolImportsARun(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs promtool: run make deps")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "run.om")
	var b bytes.Buffer
	if err := OpenMetrics(&b, recent()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	out, err := exec.CommandContext(t.Context(), promtool, "tsdb", "create-blocks-from", "openmetrics", file, data).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Mkdir(filepath.Join(data, "wal"), 0o755); err != nil { // dump wants one
		t.Fatal(err)
	}
	const series = `harness_stage_closed_loop_rate{stage="multi"}`
	dump, err := exec.CommandContext(t.Context(), promtool, "tsdb", "dump", "--match", series, data).CombinedOutput()
	if err != nil || !strings.Contains(string(dump), " 12581.3 ") {
		t.Errorf("%v: want 12581.3 in\n%s", err, dump)
	}
}

// A real Prometheus takes what is written and answers queries about it.
func TestRemoteWrite(t *testing.T) {
	address := startPrometheus(t)
	r := recent()
	c := RemoteConfig{URL: "http://" + address + "/api/v1/write", UserAgent: "test"}
	if err := RemoteWrite(t.Context(), c, r); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		`harness_stage_closed_loop_rate{stage="multi"}`:                                           "12581.3",
		`harness_stage_latency_seconds{stage="multi",quantile="0.99"}`:                            "0.0213",
		`sum(count_over_time(harness_attack_rate{stage="multi",outcome="success"}[10m]))`:         "20",
		`max_over_time(harness_attack_rate{stage="multi",model="open",outcome="error"}[10m])`:     "59",
		`count(harness_run_info{runtime="` + r.Runtime + `",kind="scenario"})`:                    "1",
		`harness_stage_objective_met{stage="multi",objective="p99<=180ms",run="` + r.RunID + `"}`: "1",
	} {
		if got := queried(t, address, query, r.FinishedAt); got != want {
			t.Errorf("%s is %q, want %s", query, got, want)
		}
	}
	old := resulttest.Ladder()
	old.Settle()
	if err := RemoteWrite(t.Context(), c, old); err == nil || !strings.Contains(err.Error(), "promtool tsdb create-blocks-from openmetrics") {
		t.Errorf("a run of another day: %v: want what to do about it", err)
	}
	c.URL = "http://" + address + "/nowhere"
	err := RemoteWrite(t.Context(), c, r)
	if err == nil || !strings.Contains(err.Error(), "404") || !strings.Contains(err.Error(), "--web.enable-remote-write-receiver") {
		t.Errorf("a wrong path: %v", err)
	}
}

// startPrometheus starts Debian's Prometheus as a receiver on loopback.
func startPrometheus(t *testing.T) (address string) {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("needs prometheus: run make deps")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, []byte("global: {scrape_interval: 1h}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	l.Close()
	var log bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--web.enable-remote-write-receiver")
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		res, err := http.Get("http://" + address + "/-/ready")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return address
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("Prometheus is not ready: %v", err)
		}
	}
}

// queried is the one value of a query at a time.
func queried(t *testing.T, address, query string, at time.Time) string {
	t.Helper()
	res, err := http.Get("http://" + address + "/api/v1/query?" + url.Values{"query": {query}, "time": {fmt.Sprint(at.Unix())}}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
		Error string `json:"error"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || len(answer.Data.Result) != 1 {
		return fmt.Sprintf("%d results, %v, %s", len(answer.Data.Result), err, answer.Error)
	}
	return fmt.Sprint(answer.Data.Result[0].Value[1])
}

func TestABusyReceiverIsAskedAgain(t *testing.T) {
	var asked int
	var token, encoding string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		token, encoding = r.Header.Get("Authorization"), r.Header.Get("Content-Encoding")
		_, _ = io.Copy(io.Discard, r.Body)
		if asked < 3 {
			http.Error(w, "busy", http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	if err := RemoteWrite(t.Context(), RemoteConfig{URL: s.URL, Token: "secret"}, recent()); err != nil || asked != 3 {
		t.Errorf("asked %d times, %v: want three", asked, err)
	}
	if token != "Bearer secret" || encoding != "snappy" {
		t.Errorf("token %q, encoding %q", token, encoding)
	}
}

func TestNoAddressOfAReceiver(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:9090":             "want http://host:port/path",
		"ftp://127.0.0.1/":           "want http://host:port/path",
		"http://u:secret@127.0.0.1/": "want a token in $REMOTE_WRITE_TOKEN",
	} {
		err := RemoteWrite(t.Context(), RemoteConfig{URL: address}, recent())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
}

// The document has every metric that is written.
func TestDocumentListsEveryMetric(t *testing.T) {
	b, err := os.ReadFile("../../../docs/output.md")
	if err != nil {
		t.Fatal(err)
	}
	r := recent()
	r.Capacity = []result.Capacity{{Stage: "multi-1", QPS: new(1.0)}}
	for _, f := range Families(r) {
		if !strings.Contains(string(b), "`"+f.GetName()+"`") {
			t.Errorf("docs/output.md has no %s", f.GetName())
		}
	}
}
