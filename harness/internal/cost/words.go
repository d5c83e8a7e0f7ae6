package cost

import (
	"fmt"
	"io"
	"strings"
)

// Case is what is asked: a deployment, its prices, its traffic, and the lists to
// hold it against.
type Case struct {
	Own      *Prices
	Others   []*Prices
	Measured Measured
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
	fmt.Fprintf(&b, "# Monthly cost at %s requests a month\n\n", thousands(c.Traffic.Requests))
	fmt.Fprintf(&b, "| alternative | %s a month | remark |\n| --- | ---: | --- |\n", c.Own.Currency)
	fmt.Fprintf(&b, "| **gatelab**, prices %q | %.0f | %d machines, for %s; %.0f%% would be paid without a request |\n", c.Own.Name, own.Total, own.Machines, own.For, own.FixedPart*100)
	for _, p := range c.Others {
		for _, r := range Alternatives(p, c.Traffic) {
			monthly := "n/a"
			if r.Monthly != nil {
				monthly = fmt.Sprintf("%.0f", *r.Monthly)
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", r.Name, monthly, r.Remark)
		}
	}
	fmt.Fprintf(&b, "\n%s.\n\n", Holds(c.Own, c.Measured, c.Traffic))
	fmt.Fprintf(&b, "## Our bill\n\nCPU a request %.0f us, memory %.0f MiB: %s.\n\n| item | %s |\n| --- | ---: |\n", c.Measured.CPUUS, c.Measured.MemoryMiB, c.Basis, c.Own.Currency)
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
				fmt.Fprintf(&b, "- list price beside %s: %.2f a million: %s\n", o.Name, o.List.PerMillion, o.List.Source)
			}
		}
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// sensitivity is our bill with other traffic and other CPU a request.
func sensitivity(b *strings.Builder, c Case) error {
	factors := []float64{0.5, 1, 2, 5}
	b.WriteString("## If it is otherwise\n\nOur monthly bill (machines), by requests a month and CPU a request:\n\n| requests a month | mean a second |")
	for _, f := range factors {
		fmt.Fprintf(b, " %.0f us |", c.Measured.CPUUS*f)
	}
	b.WriteString("\n| ---: | ---: |" + strings.Repeat(" ---: |", len(factors)) + "\n")
	for _, requests := range []float64{1e6, 1e7, 1e8, 1e9, 1e10, 1e11} {
		t := c.Traffic
		t.Requests = requests
		fmt.Fprintf(b, "| %s | %.3g |", thousands(requests), t.Mean())
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

func thousands(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	var out []byte
	for i, c := range []byte(s) {
		if i > 0 && (len(s)-i)%3 == 0 {
			out = append(out, ',')
		}
		out = append(out, c)
	}
	return string(out)
}
