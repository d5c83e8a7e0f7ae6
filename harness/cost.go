package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/cost"
	"github.com/gatelab/gatelab/internal/shipped"
)

func (p *Program) costCommand() *cobra.Command {
	var reports, run, stage, own string
	var others []string
	given := cost.Demand{MemoryMiB: 128}
	traffic := cost.Traffic{Requests: 1e7, PeakFactor: 10, ResponseKiB: 1}
	c := &cobra.Command{
		Use:   "cost",
		Short: "Turn measured CPU per request, memory and prices into a monthly bill",
		Long: `Turn measured CPU per request, memory and prices into a monthly bill.

By default, the figures come from the newest run of a scenario (harness run).
Runs of experiments, gates and other commands are ignored.`,
		Example: `  harness cost --run reports/latest-cache --prices prices/own.yaml
  harness cost --requests 1e9 --peak 5
  harness cost --cpu-us 250 --memory-mib 200`,
		Args: cobra.NoArgs,
	}
	f := c.Flags()
	reportsFlag(f, &reports)
	f.StringVar(&run, "run", "", "`folder` of the run with CPU per request and memory (default the newest run of a scenario)")
	f.StringVar(&stage, "stage", "", "`name` of the stage in the run (default the last one)")
	f.Float64Var(&given.CPUUS, "cpu-us", 0, "CPU per request in `microseconds`, instead of that of a run")
	f.Float64Var(&given.MemoryMiB, "memory-mib", given.MemoryMiB, "memory of a replica in `MiB`, with --cpu-us")
	f.Float64Var(&traffic.Requests, "requests", traffic.Requests, "`number` of requests per month")
	f.Float64Var(&traffic.PeakFactor, "peak", traffic.PeakFactor, "`ratio` of the peak rate to the mean rate")
	f.Float64Var(&traffic.ResponseKiB, "response-kib", traffic.ResponseKiB, "mean size of a response in `KiB`")
	f.StringVar(&own, "prices", "prices/own.yaml", "`file` with the prices of your deployment")
	f.StringSliceVar(&others, "against", []string{"prices/published.yaml"}, "`files` with price lists to compare with")
	c.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		bill := cost.Case{Measured: given, Traffic: traffic, Basis: "given by hand"}
		if given.CPUUS == 0 {
			if bill.Measured, bill.Basis, err = measuredCost(reports, run, stage); err != nil {
				return fmt.Errorf("%w; or give --cpu-us and --memory-mib", err)
			}
		}
		if bill.Own, err = readPrices(own); err != nil {
			return err
		}
		for _, path := range others {
			p, err := readPrices(path)
			if err != nil {
				return err
			}
			bill.Others = append(bill.Others, p)
		}
		return cost.Markdown(cmd.OutOrStdout(), bill)
	}
	return c
}

func measuredCost(reports, run, stage string) (m cost.Demand, basis string, err error) {
	if run == "" {
		if run, err = cost.NewestRun(reports); err != nil {
			return m, "", err
		}
	}
	r, err := readRun(run)
	if err != nil {
		return cost.Demand{}, "", err
	}
	return cost.FromRun(r, stage)
}

func readPrices(path string) (*cost.Prices, error) {
	b, err := shipped.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("prices: %w", err)
	}
	p, err := cost.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}
