// Package promconfig writes the configuration files of the Prometheus and the Alertmanager that watch a lab, in a drill and in a stack.
// It knows only the settings that these two need.
package promconfig

import (
	"fmt"
	"time"

	"github.com/goccy/go-yaml"
)

// Prometheus is the configuration of a Prometheus.
type Prometheus struct {
	ScrapeInterval     time.Duration
	ScrapeTimeout      time.Duration // at most ScrapeInterval
	EvaluationInterval time.Duration // of rules
	RuleFiles          []string      // paths or patterns, as Prometheus reads them
	Alertmanager       string        // host:port
	Jobs               []Job
}

// Job is a scrape job. Without targets it stays in the configuration, as where service discovery finds none: of a job that is removed
// Prometheus marks no series as stale, and goes on for five minutes with their last values.
type Job struct {
	Name    string
	Targets []Target
}

// Target is one address that Prometheus scrapes.
type Target struct {
	Addr     string // host:port
	Instance string // value of the label instance
}

type object = map[string]any

// YAML is the configuration file.
func (p Prometheus) YAML() ([]byte, error) {
	jobs := []object{}
	for _, j := range p.Jobs {
		targets := []object{}
		for _, t := range j.Targets {
			targets = append(targets, object{"targets": []string{t.Addr}, "labels": object{"instance": t.Instance}})
		}
		jobs = append(jobs, object{"job_name": j.Name, "static_configs": targets})
	}
	return marshal("prometheus", object{
		"global": object{
			"scrape_interval": p.ScrapeInterval.String(), "scrape_timeout": p.ScrapeTimeout.String(),
			"evaluation_interval": p.EvaluationInterval.String(),
		},
		"rule_files":     p.RuleFiles,
		"alerting":       object{"alertmanagers": []object{{"static_configs": []object{{"targets": []string{p.Alertmanager}}}}}},
		"scrape_configs": jobs,
	})
}

// Alertmanager is the configuration of an Alertmanager with one receiver.
type Alertmanager struct {
	Webhook       string        // URL that is told every alert, firing and resolved; empty: none is told
	GroupBy       []string      // labels
	GroupWait     time.Duration // until a new group is sent
	GroupInterval time.Duration // until a change of a group is sent
	Inhibit       []Inhibition
}

// Inhibition keeps an alert silent while another one fires with the same labels.
type Inhibition struct {
	Source string   // name of the alert that fires
	Target string   // name of the alert that is kept silent
	Equal  []string // labels
}

// repeatInterval is longer than any lab lives.
const repeatInterval = 4 * time.Hour

// receiverName is the name of the one receiver.
const receiverName = "lab"

// YAML is the configuration file.
func (a Alertmanager) YAML() ([]byte, error) {
	receiver := object{"name": receiverName}
	if a.Webhook != "" {
		receiver["webhook_configs"] = []object{{"url": a.Webhook, "send_resolved": true}}
	}
	inhibit := []object{}
	for _, i := range a.Inhibit {
		inhibit = append(inhibit, object{
			"source_matchers": []string{fmt.Sprintf("alertname=%q", i.Source)},
			"target_matchers": []string{fmt.Sprintf("alertname=%q", i.Target)},
			"equal":           i.Equal,
		})
	}
	return marshal("alertmanager", object{
		"route": object{
			"receiver": receiverName, "group_by": a.GroupBy,
			"group_wait": a.GroupWait.String(), "group_interval": a.GroupInterval.String(), "repeat_interval": repeatInterval.String(),
		},
		"receivers":     []object{receiver},
		"inhibit_rules": inhibit,
	})
}

func marshal(what string, config object) ([]byte, error) {
	text, err := yaml.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("write the configuration of %s: %w", what, err)
	}
	return text, nil
}
