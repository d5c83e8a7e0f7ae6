package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/gatelab/gatelab/gateway/internal/admin"
	"github.com/gatelab/gatelab/gateway/internal/dbless"
	"github.com/gatelab/gatelab/gateway/internal/settings"
	"github.com/gatelab/gatelab/gateway/internal/store"
	"github.com/gatelab/gatelab/gateway/internal/trial"
)

// This file is where the configuration comes from: Postgres, or a declarative file.

// makeFile makes what keeps the configuration without a database.
func (p *program) makeFile() {
	s := p.settings
	p.file = dbless.New(dbless.Config{
		Path: s.DeclarativeConfig, Text: s.DeclarativeText, Poll: s.DeclarativePoll, Catalog: p.plugins.Catalog(),
		Apply: p.proxy.Apply, Log: p.log.With("part", "declarative"),
	}, p.metrics)
	p.targets = admin.NewTargets(balancers{p.pools}, p.file, p.log.With("part", "admin"))
}

// start loads the first configuration, of Postgres after its schema was brought up
// to date.
func (p *program) start(ctx context.Context) error {
	if p.file != nil {
		p.readiness.Waiting("set declarative_config or send POST /config")
		return p.file.Start()
	}
	if err := p.reloader.Start(ctx, p.store.Migrate, p.settings.PostgresStartTimeout); err != nil {
		return fmt.Errorf("start with Postgres %s: %w", settings.HidePassword(p.settings.PostgresDSN), err)
	}
	return nil
}

// follow keeps the proxy at the newest configuration, until ctx ends.
func (p *program) follow(ctx context.Context, group *errgroup.Group) {
	if p.file != nil {
		group.Go(func() error { return p.file.Run(ctx) })
		return
	}
	group.Go(func() error { return p.reloader.Run(ctx) })
	group.Go(func() error { return p.judge().Run(ctx) })
	group.Go(func() error {
		return p.store.Prune(ctx, store.Pruning{Keep: p.settings.RevisionsKeep, KeepFor: p.settings.RevisionsKeepFor})
	})
}

// judge ends trials.
func (p *program) judge() *trial.Judge {
	return trial.New(trial.Config{
		Replica: p.settings.NodeName, Process: uuid.NewString(), Log: p.log.With("part", "trial"),
		Running: func() trial.Running {
			if t := p.proxy.Trial(); t != nil {
				return t
			}
			return nil
		},
		Over: func(err error) bool { return errors.Is(err, store.ErrNoTrial) },
	}, p.store)
}

// applied is closed when the first configuration is in use.
func (p *program) applied() <-chan struct{} {
	if p.file != nil {
		return p.file.Applied()
	}
	return p.reloader.Applied()
}

// entities is the configuration as the Admin API reads and changes it.
func (p *program) entities() admin.Store {
	if p.file != nil {
		return p.file
	}
	return p.store
}
