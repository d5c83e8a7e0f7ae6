package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"gatelab/harness/internal/cost"
	"gatelab/harness/internal/report"
)

// notOurs are the roles whose CPU is no part of a gateway's bill: the load, and
// the API behind it.
var notOurs = []string{"worker", "origin", "link"}

func costCommand() *cobra.Command {
	var run, stage, own string
	var others []string
	var m cost.Measured
	t := cost.Traffic{Requests: 1e7, PeakFactor: 10, ResponseKiB: 1}
	c := &cobra.Command{
		Use:   "cost",
		Short: "turn measured CPU a request, memory and a price list into a monthly bill",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all := cost.Case{Measured: m, Traffic: t, Basis: "given by hand"}
			if m.CPUUS == 0 {
				var err error
				if all.Measured, all.Basis, err = measuredIn(run, stage); err != nil {
					return fmt.Errorf("%w; or give --cpu-us and --memory-mib", err)
				}
			}
			var err error
			if all.Own, err = prices(own); err != nil {
				return err
			}
			for _, path := range others {
				p, err := prices(path)
				if err != nil {
					return err
				}
				all.Others = append(all.Others, p)
			}
			return cost.Markdown(cmd.OutOrStdout(), all)
		},
	}
	f := c.Flags()
	f.StringVar(&run, "run", "reports/latest", "folder of the run whose CPU a request and memory count")
	f.StringVar(&stage, "stage", "", "its stage; empty: the last one")
	f.Float64Var(&m.CPUUS, "cpu-us", 0, "CPU a request in microseconds, instead of a run's")
	f.Float64Var(&m.MemoryMiB, "memory-mib", 128, "memory of a replica, with --cpu-us")
	f.Float64Var(&t.Requests, "requests", t.Requests, "requests a month")
	f.Float64Var(&t.PeakFactor, "peak", t.PeakFactor, "the peak's rate over the mean's")
	f.Float64Var(&t.ResponseKiB, "response-kib", t.ResponseKiB, "mean size of a response")
	f.StringVar(&own, "prices", "prices/own.yaml", "prices of our deployment: yours")
	f.StringSliceVar(&others, "against", []string{"prices/published.yaml"}, "price lists to hold it against")
	return c
}

func prices(path string) (*cost.Prices, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("prices: %w", err)
	}
	p, err := cost.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// measuredIn reads a run: the CPU of everything that serves a request, and the
// largest replica's memory.
func measuredIn(run, stage string) (m cost.Measured, basis string, err error) {
	r, err := report.Read(filepath.Join(run, report.FileJSON))
	if err != nil {
		return m, "", err
	}
	i := len(r.Stages) - 1
	if stage != "" {
		i = slices.IndexFunc(r.Stages, func(s report.Stage) bool { return s.Name == stage })
	}
	if i < 0 {
		return m, "", fmt.Errorf("run %s has no stage %q", r.RunID, stage)
	}
	s := r.Stages[i]
	for role, us := range s.CPUPerRequestUS {
		if !slices.Contains(notOurs, role) {
			m.CPUUS += us
		}
	}
	for node, mib := range s.MemoryPeakMiB {
		if len(node) >= 7 && node[:7] == "gateway" {
			m.MemoryMiB = max(m.MemoryMiB, mib)
		}
	}
	if m.CPUUS == 0 {
		return m, "", errors.New("the run did not measure CPU a request")
	}
	basis = fmt.Sprintf("gateway, load balancer, Redis and Postgres together in run %s, stage %s", r.RunID, s.Name)
	if !s.Valid {
		basis += " (INVALID)"
	}
	return m, basis, nil
}
