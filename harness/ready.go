package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// readyWithin is the time limit for an answer.
const readyWithin = 3 * time.Second

// readyCommand is for health checks of images that have no other program.
func (p *Program) readyCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "ready URL",
		Short:   "Check that a URL answers with status 200 within 3 s",
		Example: `  harness ready http://127.0.0.1:8100/status/ready`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), readyWithin)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, args[0], http.NoBody)
			if err != nil {
				return err
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return fmt.Errorf("%w: %w", errNotReady, err)
			}
			defer res.Body.Close()
			if res.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: %w: status %d", args[0], errNotReady, res.StatusCode)
			}
			return nil
		},
	}
}
