// Package cost turns CPU per request, memory and a price list into a monthly bill,
// and compares it with the published cost of alternatives. It is pure: it reads no
// file and no clock.
package cost

import (
	"errors"
	"fmt"
	"math"

	"github.com/goccy/go-yaml"
)

// Prices are a price list: of published offers, or of the parts of
// a deployment, or both. Amounts are in Currency.
type Prices struct {
	Name             string  `yaml:"name"`
	AsOf             string  `yaml:"as_of"` // a date: prices grow old
	Currency         string  `yaml:"currency"`
	Source           string  `yaml:"source"`
	RequestsPerMonth float64 `yaml:"requests_per_month"` // that Offers' Monthly speaks of

	Offers []Offer `yaml:"offers"`

	Machine    Machine `yaml:"machine"`
	Fixed      []Item  `yaml:"fixed"`
	PerMillion float64 `yaml:"per_million"` // requests
	PerGiB     float64 `yaml:"per_gib"`     // of responses
}

// Offer is what an alternative is said to cost.
type Offer struct {
	Name       string   `yaml:"name"`
	Monthly    float64  `yaml:"monthly"`
	ItemsTotal *float64 `yaml:"items_total"` // where its own items add up to something else
	List       *List    `yaml:"list"`        // the provider's own price, where it is known
}

// List is a provider's price by request.
type List struct {
	PerMillion float64 `yaml:"per_million"`
	Source     string  `yaml:"source"`
}

// Machine is what a replica of the gateway runs on.
type Machine struct {
	Name        string  `yaml:"name"`
	Cores       float64 `yaml:"cores"`
	MemoryMiB   float64 `yaml:"memory_mib"`
	Monthly     float64 `yaml:"monthly"`
	Utilisation float64 `yaml:"utilisation"` // share of its cores that is planned for, 0 to 1
	Least       int     `yaml:"least"`       // machines, whatever the traffic
}

// Item is a part of a bill that does not depend on traffic.
type Item struct {
	Name    string  `yaml:"name"`
	Monthly float64 `yaml:"monthly"`
}

// Parse reads a price list; an unknown key is an error with its line.
func Parse(b []byte) (*Prices, error) {
	var p Prices
	if err := yaml.UnmarshalWithOptions(b, &p, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("prices: %w", err)
	}
	if err := p.validate(); err != nil {
		return nil, fmt.Errorf("prices %q: %w", p.Name, err)
	}
	return &p, nil
}

// validate names the first field that cannot be. Undated prices are
// rejected: prices change.
func (p *Prices) validate() error {
	switch {
	case p.Name == "":
		return errors.New("name: is missing")
	case p.AsOf == "":
		return errors.New("as_of: is missing: want the prices' date")
	case p.Source == "":
		return errors.New("source: is missing: want where the prices come from")
	case p.Currency == "":
		return errors.New("currency: is missing")
	case len(p.Offers) > 0 && !(p.RequestsPerMonth > 0):
		return fmt.Errorf("requests_per_month: %v is not allowed: want above 0, as offers speak of it", p.RequestsPerMonth)
	case len(p.Offers) == 0 && p.Machine.Cores == 0:
		return errors.New("want offers, or a machine")
	}
	for i, o := range p.Offers {
		if o.Name == "" || !amount(o.Monthly) {
			return fmt.Errorf("offers[%d]: %q at %v is not allowed: want a name and 0 or more", i, o.Name, o.Monthly)
		}
	}
	for i, f := range p.Fixed {
		if f.Name == "" || !amount(f.Monthly) {
			return fmt.Errorf("fixed[%d]: %q at %v is not allowed: want a name and 0 or more", i, f.Name, f.Monthly)
		}
	}
	if !amount(p.PerMillion) || !amount(p.PerGiB) {
		return fmt.Errorf("per_million %v, per_gib %v: want 0 or more", p.PerMillion, p.PerGiB)
	}
	if p.Machine.Cores == 0 {
		return nil
	}
	m := p.Machine
	switch {
	case m.Cores < 0 || m.MemoryMiB <= 0 || !amount(m.Monthly):
		return fmt.Errorf("machine: cores %v, memory_mib %v, monthly %v: want above 0, above 0, and 0 or more", m.Cores, m.MemoryMiB, m.Monthly)
	case !(m.Utilisation > 0 && m.Utilisation <= 1):
		return fmt.Errorf("machine.utilisation: %v is not allowed: want above 0, to 1", m.Utilisation)
	case m.Least < 1:
		return fmt.Errorf("machine.least: %d is not allowed: want 1 or more", m.Least)
	}
	return nil
}

func amount(v float64) bool { return v >= 0 && !math.IsInf(v, 0) && !math.IsNaN(v) }
