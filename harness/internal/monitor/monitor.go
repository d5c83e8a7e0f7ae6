// Package monitor is a page with the targets and alerts of a Prometheus and the
// notifications of its Alertmanager, read from their APIs. Debian's packages of
// both come without the pages of their own.
package monitor

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/jsonhttp"
	"github.com/gatelab/gatelab/internal/webguard"
)

// Config says where to listen and what to show.
type Config struct {
	Listen       string   // host:port
	Hosts        []string // further names by which browsers reach it
	Prometheus   string   // URL without a path
	Alertmanager string   // likewise
}

//go:embed page.html.tmpl
var pageText string

// Serve shows the page until ctx ends.
func Serve(ctx context.Context, c Config) error {
	guard, err := webguard.New(webguard.Config{Listen: c.Listen, Hosts: c.Hosts})
	if err != nil {
		return fmt.Errorf("monitor: hosts: %w", err)
	}
	handler, err := c.handler()
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("monitor: listen: %w", err)
	}
	server := webguard.NewServer(guard.Wrap(handler), webguard.Limits{})
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("monitor: %w", err)
	}
	return nil
}

// handler answers / with the page and /health with 200.
func (c Config) handler() (http.Handler, error) {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("monitor: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		if err := t.Execute(&b, c.read(r.Context())); err != nil {
			http.Error(w, "the page cannot be made", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'")
		_, _ = w.Write(b.Bytes())
	})
	return mux, nil
}

// page is what Prometheus and Alertmanager say at one moment.
type page struct {
	At                             time.Time
	Targets                        []target
	Alerts                         []alert
	Quiet                          int // alerts that are neither pending nor firing
	Notifications                  []notification
	TargetErr, AlertErr, NotifyErr string
}

type target struct {
	Labels    map[string]string `json:"labels"`
	Health    string            `json:"health"`
	LastError string            `json:"lastError"`
}

// alert is a rule that is pending or firing.
type alert struct {
	Name, State, Severity, Summary, Runbook string
	Instances                               int
	Since                                   time.Time
}

// notification is an alert as Alertmanager has it.
type notification struct {
	Labels map[string]string `json:"labels"`
	Since  time.Time         `json:"startsAt"`
	Status struct {
		State string `json:"state"`
	} `json:"status"`
}

// within bounds the reading of all parts of a page.
const within = 3 * time.Second

// read asks both. A part that cannot be had is its error.
func (c Config) read(ctx context.Context) page {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	p := page{At: time.Now()}
	said := func(err error) string {
		if err != nil {
			return err.Error()
		}
		return ""
	}
	p.TargetErr = said(c.readTargets(ctx, &p))
	p.AlertErr = said(c.readAlerts(ctx, &p))
	p.NotifyErr = said(jsonhttp.Get(ctx, c.Alertmanager+"/api/v2/alerts", &p.Notifications))
	return p
}

func (c Config) readTargets(ctx context.Context, p *page) error {
	var got struct {
		Data struct {
			Active []target `json:"activeTargets"`
		} `json:"data"`
	}
	if err := jsonhttp.Get(ctx, c.Prometheus+"/api/v1/targets?state=active", &got); err != nil {
		return err
	}
	p.Targets = got.Data.Active
	slices.SortFunc(p.Targets, func(a, b target) int { return strings.Compare(a.Labels["instance"], b.Labels["instance"]) })
	return nil
}

func (c Config) readAlerts(ctx context.Context, p *page) error {
	var got struct {
		Data struct {
			Groups []struct {
				Rules []struct {
					Name        string            `json:"name"`
					State       string            `json:"state"`
					Labels      map[string]string `json:"labels"`
					Annotations map[string]string `json:"annotations"`
					Alerts      []struct {
						ActiveAt    time.Time         `json:"activeAt"`
						Annotations map[string]string `json:"annotations"`
					} `json:"alerts"`
				} `json:"rules"`
			} `json:"groups"`
		} `json:"data"`
	}
	if err := jsonhttp.Get(ctx, c.Prometheus+"/api/v1/rules?type=alert", &got); err != nil {
		return err
	}
	for _, g := range got.Data.Groups {
		for _, r := range g.Rules {
			if len(r.Alerts) == 0 {
				p.Quiet++
				continue
			}
			a := alert{Name: r.Name, State: r.State, Severity: r.Labels["severity"], Instances: len(r.Alerts), Since: r.Alerts[0].ActiveAt}
			a.Summary, a.Runbook = r.Alerts[0].Annotations["summary"], r.Alerts[0].Annotations["runbook_url"]
			for _, one := range r.Alerts {
				if one.ActiveAt.Before(a.Since) {
					a.Since = one.ActiveAt
				}
			}
			p.Alerts = append(p.Alerts, a)
		}
	}
	return nil
}
