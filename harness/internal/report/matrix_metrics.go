package report

import (
	"slices"

	"github.com/gatelab/gatelab/harness/internal/result"
)

// matrixMetric is one table of the matrix.
type matrixMetric struct {
	name, title, note string
	higher            bool // is better
	some              bool // only some policies have it
	of                func(*result.MatrixCell) *float64
}

func matrixMetrics() []matrixMetric {
	return []matrixMetric{
		{
			name: "cpu", title: "CPU per request, us", of: func(c *result.MatrixCell) *float64 { return c.CPUUS },
			note: "CPU of the processes of the arm, at the same rate for all arms. Its ratios can be compared between machines. Lower is better.",
		},
		{
			name: "p50", title: "p50, ms", of: func(c *result.MatrixCell) *float64 { return c.P50MS },
			note: "Open-loop, at the same rate for all arms, measured from the intended send time (corrected). Lower is better.",
		},
		{
			name: "p99", title: "p99, ms", of: func(c *result.MatrixCell) *float64 { return c.P99MS },
			note: "Open-loop, corrected. On a shared machine, it includes stalls of the machine. Lower is better.",
		},
		{
			name: "qps", title: "Throughput, QPS closed-loop", higher: true, of: func(c *result.MatrixCell) *float64 { return c.QPS },
			note: "Successes per second, median of the rounds, on the same cores for all arms. Higher is better. A figure with >= may be the" +
				" limit of the load generator instead of the gateway.",
		},
		{
			name: "memory", title: "Memory, MiB", of: func(c *result.MatrixCell) *float64 { return c.MemoryMiB },
			note: "Resident memory of all processes of the gateway after the load. Lower is better.",
		},
	}
}

// metricsOf are the metrics of a matrix: those of all policies, then those that some of its policies have. One without a row is left out.
func metricsOf(x *result.Matrix) []matrixMetric {
	all := matrixMetrics()
	for _, f := range result.MatrixFigures() {
		all = append(all, matrixMetric{name: f.Name, title: f.Title, note: f.Note, higher: f.Higher, some: true,
			of: func(c *result.MatrixCell) *float64 {
				if v, ok := c.Figures[f.Name]; ok {
					return &v
				}
				return nil
			},
		})
	}
	return slices.DeleteFunc(all, func(m matrixMetric) bool {
		return !slices.ContainsFunc(x.Rows, func(r result.MatrixRow) bool { return m.has(&r) })
	})
}

// has says whether a row belongs into the metric's table. That of all policies has also the rows that no arm got to, and none of policies
// that are measured otherwise, as under a fault.
func (m *matrixMetric) has(row *result.MatrixRow) bool {
	told := slices.ContainsFunc(row.Cells, func(c result.MatrixCell) bool { return m.of(&c) != nil })
	measured := slices.ContainsFunc(row.Cells, func(c result.MatrixCell) bool { return c.Outcome == result.CellMeasured })
	return told || !m.some && !measured
}
