package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// readyCommand is for health checks of images that have no other program.
func readyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ready URL",
		Short: "ask a URL for status 200: exit 0 when it answers so within 3 s",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), 3*time.Second)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, args[0], http.NoBody)
			if err != nil {
				return err
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return failed{err}
			}
			defer res.Body.Close()
			if res.StatusCode != http.StatusOK {
				return failed{fmt.Errorf("%s: status %d", args[0], res.StatusCode)}
			}
			return nil
		},
	}
}
