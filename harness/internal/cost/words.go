package cost

import (
	"fmt"
	"io"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/figure"
)

// Case is what is asked: a deployment, its prices, its traffic, and the lists to
// compare it with.
type Case struct {
	Own      *Prices
	Others   []*Prices
	Measured Demand
	Traffic  Traffic
	Basis    string // where Measured comes from
}

// Markdown writes the comparison, where it holds, and how it changes with what
// may be otherwise.
func Markdown(w io.Writer, c Case) error {
	own, err := Own(c.Own, c.Measured, c.Traffic)
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Monthly cost at %s requests per month\n\n", figure.Grouped(c.Traffic.Requests))
	fmt.Fprintf(&b, "| alternative | %s per month | remark |\n| --- | ---: | --- |\n", c.Own.Currency)
	fmt.Fprintf(&b, "| **gatelab**, prices %q | %.0f | %d machines, as %s requires; %.0f%% of it is fixed cost |\n", c.Own.Name, own.Total,
		own.Machines, own.For, own.FixedPart*100)
	for _, p := range c.Others {
		for _, r := range Alternatives(p, c.Traffic) {
			monthly := figure.NA
			if r.Monthly != nil {
				monthly = fmt.Sprintf("%.0f", *r.Monthly)
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", r.Name, monthly, r.Remark)
		}
	}
	fmt.Fprintf(&b, "\n%s.\n\n", Holds(c.Own, c.Measured, c.Traffic))
	fmt.Fprintf(&b, "## Our bill\n\nCPU per request %.0f us, memory %.0f MiB: %s.\n\n| item | %s |\n| --- | ---: |\n",
		c.Measured.CPUUS, c.Measured.MemoryMiB, c.Basis, c.Own.Currency)
	for _, i := range own.Items {
		fmt.Fprintf(&b, "| %s | %.2f |\n", i.Name, i.Monthly)
	}
	fmt.Fprintf(&b, "| **total** | **%.2f** |\n\n", own.Total)
	if err := sensitivity(&b, c); err != nil {
		return err
	}
	b.WriteString("## Prices\n\n")
	for _, p := range append([]*Prices{c.Own}, c.Others...) {
		fmt.Fprintf(&b, "- %s, %s, as of %s: %s\n", p.Name, p.Currency, p.AsOf, p.Source)
		for _, o := range p.Offers {
			if o.List != nil {
				fmt.Fprintf(&b, "- list price of %s: %.2f per million: %s\n", o.Name, o.List.PerMillion, o.List.Source)
			}
		}
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// sensitivity writes the bill for other traffic and other CPU per request.
func sensitivity(b *strings.Builder, c Case) error {
	factors := []float64{0.5, 1, 2, 5}
	b.WriteString(
		"## Sensitivity\n\nOur monthly bill (machines), by requests per month and CPU per request:\n\n| requests per month | mean per second |",
	)
	for _, f := range factors {
		fmt.Fprintf(b, " %.0f us |", c.Measured.CPUUS*f)
	}
	b.WriteString("\n| ---: | ---: |" + strings.Repeat(" ---: |", len(factors)) + "\n")
	for _, requests := range []float64{1e6, 1e7, 1e8, 1e9, 1e10, 1e11} {
		t := c.Traffic
		t.Requests = requests
		fmt.Fprintf(b, "| %s | %.3g |", figure.Grouped(requests), t.Mean())
		for _, f := range factors {
			m := c.Measured
			m.CPUUS *= f
			bill, err := Own(c.Own, m, t)
			if err != nil {
				return err
			}
			fmt.Fprintf(b, " %.0f (%d) |", bill.Total, bill.Machines)
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return nil
}
