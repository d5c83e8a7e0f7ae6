package alerting

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatelab/gatelab/harness/internal/jsonhttp"
)

// Active are the alerts that are pending or firing in Prometheus, with their state, by name.
func (s *Stack) Active(ctx context.Context) (map[string]string, error) {
	var data struct {
		Alerts []struct {
			Labels map[string]string `json:"labels"`
			State  string            `json:"state"`
		} `json:"alerts"`
	}
	if err := s.query(ctx, "/api/v1/alerts", &data); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, a := range data.Alerts {
		if out[a.Labels["alertname"]] != "firing" {
			out[a.Labels["alertname"]] = a.State
		}
	}
	return out, nil
}

// waitScraped waits until every target was scraped, every rule was evaluated once and the Alertmanager is known. Prometheus takes its time
// for the first of each (5 s for what its discovery finds), which must not count as an alert's.
func (s *Stack) waitScraped(ctx context.Context, targets int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyWithin,
		fmt.Errorf("not every target was scraped and every rule evaluated in %s", readyWithin))
	defer cancel()
	tick := time.NewTicker(s.scale.Scrape)
	defer tick.Stop()
	for {
		done, err := s.scraped(ctx, targets)
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

// scraped says whether that number of targets was scraped, all rules were evaluated, and the Alertmanager is known.
func (s *Stack) scraped(ctx context.Context, want int) (bool, error) {
	var rules struct {
		Groups []struct {
			LastEvaluation time.Time `json:"lastEvaluation"`
		} `json:"groups"`
	}
	var targets struct {
		Active []struct {
			LastScrape time.Time `json:"lastScrape"`
		} `json:"activeTargets"`
	}
	var receivers struct {
		Active []any `json:"activeAlertmanagers"`
	}
	if err := errors.Join(
		s.query(ctx, "/api/v1/rules", &rules),
		s.query(ctx, "/api/v1/targets?state=active", &targets),
		s.query(ctx, "/api/v1/alertmanagers", &receivers),
	); err != nil {
		return false, err
	}
	done := len(targets.Active) == want && len(receivers.Active) > 0
	for _, g := range rules.Groups {
		done = done && !g.LastEvaluation.IsZero()
	}
	for _, t := range targets.Active {
		done = done && !t.LastScrape.IsZero()
	}
	return done, nil
}

// query decodes the data of an answer of Prometheus' API.
func (s *Stack) query(ctx context.Context, path string, data any) error {
	answer := struct {
		Data any `json:"data"`
	}{data}
	if err := jsonhttp.Get(ctx, s.Prometheus+path, &answer); err != nil {
		return fmt.Errorf("query prometheus: %w", err)
	}
	return nil
}
