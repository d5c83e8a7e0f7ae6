package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/forge"
)

func (p *Program) gateCommentCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "comment [RUN]",
		Short: "Write the summary of a gate as a comment on the pull or merge request",
		Long: `Write gate.md of a run (default reports/latest-gate) as a comment on the pull or
merge request of the CI job. It replaces the comment of an earlier run.

GitHub Actions: GITHUB_TOKEN with the permission pull-requests: write. GitLab:
GITLAB_TOKEN, an access token of the project with the scope api. In a job
without a pull or merge request, nothing is written and the exit code is 0.`,
		Example: `  harness gate comment
  harness gate comment reports/latest-gate`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			run := filepath.Join("reports", "latest-gate")
			if len(args) > 0 {
				run = args[0]
			}
			text, err := os.ReadFile(filepath.Join(run, "gate.md"))
			if err != nil {
				return fmt.Errorf("comment: %w", err)
			}
			request, err := forge.Find(p.Getenv)
			if errors.Is(err, forge.ErrNoRequest) {
				fmt.Fprintln(cmd.ErrOrStderr(), "no comment:", err)
				return nil
			}
			if err != nil {
				return err
			}
			return request.Comment(cmd.Context(), "gate", string(text))
		},
	}
}
