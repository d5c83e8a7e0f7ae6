package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
)

// Balancers are the load balancers of this replica.
type Balancers interface {
	// Standings returns the health of an upstream's targets by host:port. The
	// upstream is named by its id; targets that no service uses are missing.
	Standings(upstream string) map[string]Standing
	// SetHealth overrides the health of a target of an upstream (an id).
	SetHealth(upstream, target string, healthy bool)
}

// Messenger sends messages to all replicas, this one included.
type Messenger interface {
	Publish(ctx context.Context, text string) error
}

// Targets are the targets of all replicas' load balancers: their health here,
// and a way to override it everywhere.
type Targets struct {
	balancers Balancers
	messenger Messenger
	log       *slog.Logger
}

// NewTargets makes Targets of this replica's load balancers and a way to reach
// the other replicas.
func NewTargets(b Balancers, m Messenger, log *slog.Logger) *Targets {
	return &Targets{balancers: b, messenger: m, log: log}
}

// targetHealth is the message that overrides a target's health in a replica.
type targetHealth struct {
	Upstream string `json:"upstream"` // id
	Target   string `json:"target"`   // host:port
	Healthy  bool   `json:"healthy"`
}

// SetHealth overrides a target's health in this replica at once, and tells the
// others.
func (t *Targets) SetHealth(ctx context.Context, upstream, target string, healthy bool) error {
	t.balancers.SetHealth(upstream, target, healthy)
	text, err := json.Marshal(targetHealth{Upstream: upstream, Target: target, Healthy: healthy})
	if err != nil {
		return err
	}
	if err := t.messenger.Publish(ctx, string(text)); err != nil {
		return fmt.Errorf("tell the other replicas: %w", err)
	}
	return nil
}

// Receive handles a message of SetHealth, of this replica or another one.
func (t *Targets) Receive(text string) {
	var m targetHealth
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.log.Warn("unknown message from another replica ignored", "error", err)
		return
	}
	t.balancers.SetHealth(m.Upstream, m.Target, m.Healthy)
}
