package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/workload"
)

func (p *Program) workloadCommand() *cobra.Command {
	return parent(&cobra.Command{
		Use:     "workload",
		Short:   "Create scenarios from your own traffic",
		Example: `  harness workload import access.log > my.yaml`,
	}, p.workloadImportCommand())
}

// maxSource is the most bytes of a source: an access log of a few million requests.
const maxSource = 1 << 30

func (p *Program) workloadImportCommand() *cobra.Command {
	var o workload.Options
	var name string
	var arrivals bool
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Create a scenario from the requests in a file",
		Long: `Create a scenario from the requests in a file. Supported are targets of vegeta
(http and JSON), HAR, OpenAPI 3, access logs of Kong (JSON and combined), nginx
(combined) and Caddy (JSON), curl commands, and a CSV of variables with
--template. Use - as FILE for standard input.

The complete scenario goes to standard output, and can be used with harness run.
A summary of what was read, kept, merged and left out goes to standard error.
Credentials, cookies and tokens are left out unless --keep-secrets is given.
docs/workloads.md describes every format.`,
		Example: `  harness workload import access.log > my.yaml
  harness workload import openapi.yaml --host api.example > my.yaml
  harness workload import users.csv --template 'GET /users/{id}' > my.yaml`,
		Args: cobra.ExactArgs(1),
	}
	f := c.Flags()
	f.StringVar(&o.Format, "format", "", "`format` of the file, one of "+strings.Join(workload.Formats(), ", ")+" (default by content)")
	f.StringVar(&o.Host, "host", "", "`host` whose requests are kept (default the most frequent one)")
	f.StringVar(&o.Template, "template", "", "request for each row of a CSV, as `'METHOD PATH [BODY]'` with {column} for values")
	f.StringVar(&name, "name", "imported", "`name` of the scenario")
	f.IntVar(&o.MaxRequests, "max-requests", workload.DefaultMaxRequests, "maximum number of `requests`; the most frequent are kept")
	f.BoolVar(&o.KeepSecrets, "keep-secrets", false, "keep credentials, cookies and tokens")
	f.BoolVar(&o.KeepIDs, "keep-ids", false, "do not merge requests that differ only in IDs")
	f.BoolVar(&arrivals, "arrivals", false, "keep the rate of the source over time, as a shape of the open-loop attack")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		source, err := readSource(cmd.InOrStdin(), args[0])
		if err != nil {
			return err
		}
		root, err := os.OpenRoot(filepath.Dir(args[0]))
		if err != nil {
			return fmt.Errorf("workload: %w", err)
		}
		defer root.Close()
		o.Files = root.FS() // bodies beside the source, and none elsewhere
		i, err := workload.Read(source, o)
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		text, err := i.Scenario(name, arrivals)
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		for _, line := range i.Summary() {
			fmt.Fprintln(cmd.ErrOrStderr(), line)
		}
		_, err = cmd.OutOrStdout().Write(text)
		return err
	}
	return c
}

// readSource reads a file, or standard input for -.
func readSource(stdin io.Reader, name string) ([]byte, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("workload: %w", err)
		}
		defer f.Close()
		in = f
	}
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(in, maxSource+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("workload: read %s: %w", name, err)
	case n > maxSource:
		return nil, fmt.Errorf("workload: %s has more than %d MiB: take a part of it, as with tail -n 1000000", name, maxSource>>20)
	}
	return b.Bytes(), nil
}
