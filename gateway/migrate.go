package main

import (
	"fmt"

	"github.com/gatelab/gatelab/gateway/internal/settings"
)

// migrate is the command that only brings the database schema up to date.
func migrate(inv *invocation) error {
	s, err := openStore(inv.ctx, &inv.settings, nil, nil)
	if err != nil {
		return fmt.Errorf("open Postgres %s: %w", settings.HidePassword(inv.settings.PostgresDSN), err)
	}
	defer s.Close()
	if err := s.Migrate(inv.ctx); err != nil {
		return err
	}
	fmt.Fprintln(inv.stdout, "the schema is up to date")
	return nil
}
