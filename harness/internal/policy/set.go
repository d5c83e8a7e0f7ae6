package policy

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/gatelab/gatelab/internal/shipped"
	"github.com/gatelab/gatelab/internal/suggest"
)

// Set is a file of policies, with the load that measures them.
type Set struct {
	Name        string             `yaml:"name"`
	Description string             `yaml:"description,omitempty"`
	Seed        uint64             `yaml:"seed"`
	Load        Load               `yaml:"load"`
	Origin      map[string]string  `yaml:"origin,omitempty"` // flags of the origin command, without dashes
	Profiles    map[string]Profile `yaml:"profiles,omitempty"`
	Policies    []Policy           `yaml:"policies"`
	Left        []string           `yaml:"-"` // policies that Choose left out
}

// Load is how each arm is measured under each policy.
type Load struct {
	Rate        float64       `yaml:"rate"`        // requests per second of the open loop
	Connections int           `yaml:"connections"` // of both loops
	Open        time.Duration `yaml:"open"`        // per arm and round
	Closed      time.Duration `yaml:"closed"`      // per arm and round
	Rounds      int           `yaml:"rounds"`
}

// Profile changes the load, and may leave policies out.
type Profile struct {
	Load     Load     `yaml:"load"` // what is 0 stays
	Policies []string `yaml:"policies,omitempty"`
}

// FullProfile is the set as its file has it, unless the file has a profile of that name.
const FullProfile = "full"

// Read reads and checks a file.
func Read(path string) (*Set, error) {
	b, err := shipped.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read policies: %w", err)
	}
	return Parse(path, b)
}

// Parse checks the text of a file; name is its name in errors. What is wrong with the file's content is all told, as Mistakes.
func Parse(name string, b []byte) (*Set, error) {
	d, err := open(name, b)
	if err != nil {
		return nil, err
	}
	if n := d.entry("stages"); n != nil && d.entry("policies") == nil {
		d.wrong(n, "", "stages are of a scenario: harness run measures it")
		return nil, d.mistakes
	}
	if d.check(d.root, reflect.TypeFor[Set](), ""); len(d.mistakes) > 0 {
		return nil, d.mistakes
	}
	var s Set
	if err := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict()).Decode(&s); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for i := range s.Policies {
		p := &s.Policies[i]
		if err := p.expand(filepath.Dir(name)); err != nil {
			d.tell(fmt.Errorf("policies[%d] (%s): %w", i, p.Name, err))
		}
	}
	if len(d.mistakes) > 0 { // without its lists a policy is another one
		return nil, d.mistakes
	}
	for _, err := range s.validate() {
		d.tell(err)
	}
	if len(d.mistakes) > 0 {
		return nil, d.mistakes
	}
	return &s, nil
}

// Choose applies a profile, and keeps the named policies; none are all of the profile's.
func (s *Set) Choose(profile string, names []string) (*Set, error) {
	out := *s
	if profile == "" {
		profile = FullProfile
	}
	if p, ok := s.Profiles[profile]; ok || profile != FullProfile {
		if !ok {
			known := slices.Sorted(maps.Keys(s.Profiles))
			if !slices.Contains(known, FullProfile) {
				known = append([]string{FullProfile}, known...)
			}
			return nil, suggest.Unknown("profile", profile, known)
		}
		out.Load = s.Load.with(p.Load)
		if len(names) == 0 {
			names = p.Policies
		}
	}
	if len(names) == 0 {
		return &out, nil
	}
	out.Policies = nil
	for _, n := range names {
		i := slices.IndexFunc(s.Policies, func(p Policy) bool { return p.Name == n || p.Published == n })
		if i < 0 {
			return nil, suggest.Unknown("policy", n, s.Names())
		}
		out.Policies = append(out.Policies, s.Policies[i])
	}
	for _, n := range s.Names() {
		if !slices.Contains(out.Names(), n) {
			out.Left = append(out.Left, n)
		}
	}
	return &out, nil
}

// Names are the policies' names, in the file's order.
func (s *Set) Names() []string {
	var out []string
	for i := range s.Policies {
		out = append(out, s.Policies[i].Name)
	}
	return out
}

func (l Load) with(over Load) Load {
	if over.Rate > 0 {
		l.Rate = over.Rate
	}
	if over.Connections > 0 {
		l.Connections = over.Connections
	}
	if over.Open > 0 {
		l.Open = over.Open
	}
	if over.Closed > 0 {
		l.Closed = over.Closed
	}
	if over.Rounds > 0 {
		l.Rounds = over.Rounds
	}
	return l
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,40}$`)

// validate returns what is wrong, of each policy the first mistake. The texts begin with the paths of fields.
func (s *Set) validate() (wrong []error) {
	if !namePattern.MatchString(s.Name) {
		wrong = append(wrong, fmt.Errorf("name: %q is not allowed: want lower-case letters, digits and dashes", s.Name))
	}
	wrong = append(wrong, s.Load.validate("load", 1)...)
	if len(s.Policies) == 0 {
		wrong = append(wrong, errors.New("policies: want at least one"))
	}
	seen := map[string]bool{}
	for i := range s.Policies {
		p := &s.Policies[i]
		switch {
		case !namePattern.MatchString(p.Name) || seen[p.Name]:
			wrong = append(wrong,
				fmt.Errorf("policies[%d].name: %q is not allowed: want lower-case letters, digits and dashes, once each", i, p.Name))
		case p.ScaleOf != "" && !seen[p.ScaleOf]:
			wrong = append(wrong, fmt.Errorf("policies[%d].scale_of: there is no earlier policy %q", i, p.ScaleOf))
		default:
			if err := p.validate(); err != nil {
				wrong = append(wrong, fmt.Errorf("policies[%d] (%s): %w", i, p.Name, err))
			}
		}
		seen[p.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(s.Profiles)) {
		p := s.Profiles[name]
		wrong = append(wrong, p.Load.validate("profiles."+name+".load", 0)...)
		for _, n := range p.Policies {
			if !seen[n] {
				wrong = append(wrong, fmt.Errorf("profiles.%s.policies: %w", name, suggest.Unknown("policy", n, s.Names())))
			}
		}
	}
	return wrong
}

// validate wants every figure but closed to be least or more; 0 stays what it is in a profile.
func (l Load) validate(path string, least int) (wrong []error) {
	want := "0 or more"
	if least > 0 {
		want = "more than 0"
	}
	for _, f := range []struct {
		name  string
		value any
		wrong bool
	}{
		{name: "rate", value: l.Rate, wrong: l.Rate < 0 || least > 0 && l.Rate == 0},
		{name: "connections", value: l.Connections, wrong: l.Connections < least},
		{name: "open", value: l.Open, wrong: l.Open < time.Duration(least)},
		{name: "rounds", value: l.Rounds, wrong: l.Rounds < least},
	} {
		if f.wrong {
			wrong = append(wrong, fmt.Errorf("%s.%s: %v is not allowed: want %s", path, f.name, f.value, want))
		}
	}
	if l.Closed < 0 {
		wrong = append(wrong, fmt.Errorf("%s.closed: %s is not allowed: want 0 or more", path, l.Closed))
	}
	return wrong
}
