package cost

import (
	"fmt"
	"math"

	"github.com/gatelab/gatelab/harness/internal/figure"
)

// secondsPerMonth is that of a month of 30 days, as clouds bill it.
const secondsPerMonth = 30 * 24 * 3600

// Traffic is what a deployment has to carry.
type Traffic struct {
	Requests    float64 // per month
	PeakFactor  float64 // the peak's rate over the mean's; 1 is even traffic
	ResponseKiB float64 // mean size of a response
}

// Mean is the mean rate in requests per second.
func (t Traffic) Mean() float64 { return t.Requests / secondsPerMonth }

// Demand is what a run found of the gateway's needs.
type Demand struct {
	CPUUS     float64 // per request, of all processes on the gateway's machine
	MemoryMiB float64 // of one replica, at the peak
}

// Bill is the cost of one month.
type Bill struct {
	Machines  int
	For       string // what decided their number: "redundancy" or "CPU"
	Items     []Item
	Total     float64
	FixedPart float64 // share that is due without a single request, 0 to 1
}

// Own is the bill of our deployment. The number of machines follows from the
// CPU that the peak needs; memory is the same for each replica, one per machine.
func Own(p *Prices, m Demand, t Traffic) (Bill, error) {
	switch {
	case p.Machine.Cores == 0:
		return Bill{}, fmt.Errorf("prices %q: want a machine", p.Name)
	case !(m.CPUUS > 0):
		return Bill{}, fmt.Errorf("CPU per request: %v us is not allowed: want above 0", m.CPUUS)
	case !(t.Requests >= 0) || math.IsInf(t.Requests, 0):
		return Bill{}, fmt.Errorf("requests per month: %v is not allowed: want 0 or more", t.Requests)
	case !(t.PeakFactor >= 1):
		return Bill{}, fmt.Errorf("peak factor: %v is not allowed: want 1 or more", t.PeakFactor)
	case m.MemoryMiB > p.Machine.MemoryMiB:
		return Bill{}, fmt.Errorf("a replica took %.0f MiB, a machine has %.0f: want a larger one", m.MemoryMiB, p.Machine.MemoryMiB)
	}
	cores := t.Mean() * t.PeakFactor * m.CPUUS / 1e6
	b := Bill{Machines: p.Machine.Least, For: "redundancy"}
	if n := int(math.Ceil(cores / (p.Machine.Cores * p.Machine.Utilisation))); n > b.Machines {
		b.Machines, b.For = n, "CPU"
	}
	add := func(name string, monthly float64) {
		b.Items = append(b.Items, Item{name, monthly})
		b.Total += monthly
	}
	add(fmt.Sprintf("%d x %s", b.Machines, p.Machine.Name), float64(b.Machines)*p.Machine.Monthly)
	fixed := float64(p.Machine.Least) * p.Machine.Monthly
	for _, f := range p.Fixed {
		add(f.Name, f.Monthly)
		fixed += f.Monthly
	}
	if p.PerMillion > 0 {
		add("requests", t.Requests/1e6*p.PerMillion)
	}
	if p.PerGiB > 0 && t.ResponseKiB > 0 {
		add("traffic", t.Requests*t.ResponseKiB/(1<<20)*p.PerGiB)
	}
	if b.Total > 0 {
		b.FixedPart = fixed / b.Total
	}
	return b, nil
}

// Row is one alternative in a comparison. Nil is not known.
type Row struct {
	Name    string
	Monthly *float64 // at the traffic asked for
	Remark  string
}

// Alternatives are a list's offers at some traffic. A published sum says nothing
// of another traffic unless it is a price by request, so it is given for the
// traffic that it was published for alone; a provider's list price, where there
// is one, goes with any.
func Alternatives(p *Prices, t Traffic) []Row {
	var out []Row
	same := t.Requests == p.RequestsPerMonth
	for _, o := range p.Offers {
		r := Row{Name: o.Name}
		if same {
			r.Monthly = &o.Monthly
		} else {
			r.Remark = fmt.Sprintf("published only for %.3g requests per month: %.0f", p.RequestsPerMonth, o.Monthly)
		}
		if o.ItemsTotal != nil && *o.ItemsTotal != o.Monthly {
			r.Remark = join(r.Remark, fmt.Sprintf("its own items add up to %.0f, not %.0f", *o.ItemsTotal, o.Monthly))
		}
		if o.List != nil {
			at := o.List.PerMillion * p.RequestsPerMonth / 1e6
			if math.Abs(at-o.Monthly) > 0.05*o.Monthly {
				r.Remark = join(
					r.Remark,
					fmt.Sprintf(
						"at the list price of %.2f per million, these requests cost %.0f: %.0f must include something else",
						o.List.PerMillion,
						at,
						o.Monthly,
					),
				)
			}
			if !same {
				v := o.List.PerMillion * t.Requests / 1e6
				r.Monthly = &v
				r.Remark = join(r.Remark, "this is only the list price of requests, in the first tier")
			}
		}
		out = append(out, r)
	}
	return out
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// Holds says where a comparison at this traffic holds: how much of the machines
// the traffic needs at all.
func Holds(p *Prices, m Demand, t Traffic) string {
	perMachine := p.Machine.Cores * p.Machine.Utilisation / (m.CPUUS / 1e6) // requests per second
	share := t.Mean() / (perMachine * float64(p.Machine.Least))
	where := "fixed cost dominates, so twice or half the CPU per request would not change the bill"
	if share*t.PeakFactor > 1 {
		where = "CPU per request dominates"
	}
	return fmt.Sprintf(
		"%s requests per month are %.3g per second on average. %d machines can process %s per second, so %.2g%% of them is used: %s."+
			" The number of machines is the same for up to %s requests per month with this ratio of peak to mean",
		figure.Grouped(t.Requests),
		t.Mean(),
		p.Machine.Least,
		figure.Grouped(perMachine*float64(p.Machine.Least)),
		share*100,
		where,
		figure.Grouped(perMachine*float64(p.Machine.Least)*secondsPerMonth/t.PeakFactor),
	)
}
