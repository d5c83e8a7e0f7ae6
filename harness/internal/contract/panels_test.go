package contract

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatelab/gatelab/dashboards"
	"github.com/gatelab/gatelab/harness/internal/alerting"
	"github.com/gatelab/gatelab/internal/testenv"
	"github.com/gatelab/gatelab/internal/testenv/gatewaytest"
)

// variable is one of a dashboard's, or Grafana's own.
var variable = regexp.MustCompile(`\$\{?\w+\}?`)

// Every query of every panel returns data in a real Prometheus that scrapes a
// gateway under traffic and a harness in the middle of a run.
func TestEveryPanelHasData(t *testing.T) {
	if testing.Short() {
		t.Skip("needs servers, and -short asks for tests without: run make test")
	}
	// Of a Redis without a limit there is no share in use.
	server := redis.NewClient(&redis.Options{Addr: testenv.Redis(t)})
	defer server.Close()
	if err := server.ConfigSet(t.Context(), "maxmemory", "256mb").Err(); err != nil {
		t.Fatal(err)
	}
	defer server.ConfigSet(context.Background(), "maxmemory", "0")
	g, w := busyGateway(t), busyHarness(t)
	gatewaytest.Eventually(t, func() error { return everyAnswer(g.Proxy) })
	stack, err := alerting.Start(t.Context(), []alerting.Target{
		{Job: "gateway", Instance: "gateway-1", Addr: g.Status},
		{Job: "harness", Instance: "harness", Addr: w.Address()},
	}, alerting.Scale{Factor: 300, Scrape: time.Second}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stack.Close()
	for _, b := range dashboards.All() {
		for _, row := range b.Rows {
			for i := range row.Panels {
				for _, q := range row.Panels[i].Queries {
					expr := variable.ReplaceAllStringFunc(q.Expr, func(name string) string {
						if name == "$__rate_interval" || name == "$__interval" {
							return "20s"
						}
						return ".*"
					})
					gatewaytest.Eventually(t, func() error {
						if err := everyAnswer(g.Proxy); err != nil {
							return err
						}
						n, err := series(stack.Prometheus, expr)
						if err == nil && n == 0 {
							err = fmt.Errorf("%s, %s: no data: %s", b.UID, row.Panels[i].Title, expr)
						}
						return err
					})
				}
			}
		}
	}
}

// series is how many series an expression has now.
func series(prometheus, expr string) (int, error) {
	client := http.Client{Timeout: 30 * time.Second}
	res, err := client.Get(prometheus + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	var answer struct {
		Error string
		Data  struct{ Result []any }
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return 0, err
	}
	if answer.Error != "" {
		return 0, fmt.Errorf("%s: %s", expr, answer.Error)
	}
	return len(answer.Data.Result), nil
}
