package plugin

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// spy is a plugin that writes down when it is called.
type spy struct {
	name   string
	answer bool
	calls  *[]string
}

func (s *spy) Access(*Exchange) bool  { *s.calls = append(*s.calls, "access "+s.name); return s.answer }
func (s *spy) HeaderFilter(*Exchange) { *s.calls = append(*s.calls, "header_filter "+s.name) }
func (s *spy) Log(*Exchange)          { *s.calls = append(*s.calls, "log "+s.name) }

func phasesFor(p Plugin) *phases {
	f := phasesOf(p)
	return &f
}

func TestTheMostSpecificConfigurationApplies(t *testing.T) {
	// From the least to the most specific, as Kong has it. c is a consumer, r a
	// route, s a service.
	order := []string{"", "s", "r", "c", "rs", "cs", "cr", "crs"}
	route := &entity.Route{ID: "r", Service: &entity.Ref{ID: "s"}}
	for i, best := range order {
		for _, elsewhere := range []bool{false, true} {
			t.Run(fmt.Sprintf("up to %q elsewhere %v", best, elsewhere), func(t *testing.T) {
				var calls []string
				of := candidates{}
				for _, refs := range order[:i+1] {
					p := &entity.Plugin{Name: "x"}
					tie := func(letter string, to **entity.Ref) {
						if strings.Contains(refs, letter) {
							*to = &entity.Ref{ID: letter}
						}
					}
					tie("c", &p.Consumer)
					tie("r", &p.Route)
					tie("s", &p.Service)
					if elsewhere && refs == best && refs != "" { // tied to something else: must not count
						for _, ref := range []*entity.Ref{p.Consumer, p.Route, p.Service} {
							if ref != nil {
								ref.ID += "-other"
							}
						}
					}
					of.add(candidate{p, phasesFor(&spy{name: refs, calls: &calls})})
				}
				c := &Chains{names: []string{"x"}, byName: map[string]candidates{"x": of}}
				want := best
				if elsewhere && i > 0 {
					want = order[i-1]
				}
				x := &Exchange{Ctx: &fasthttp.RequestCtx{}, Consumer: &entity.Consumer{ID: "c"}}
				c.For(route).Access(x)
				if got := strings.Join(calls, ","); got != "access "+want {
					t.Errorf("called %q, want %q", got, want)
				}
			})
		}
	}
}

func TestAConsumersOwnConfigurationIsForThatConsumerOnly(t *testing.T) {
	var calls []string
	of := candidates{}
	of.add(candidate{&entity.Plugin{Name: "x", Consumer: &entity.Ref{ID: "c"}}, phasesFor(&spy{name: "c", calls: &calls})})
	c := &Chains{names: []string{"x"}, byName: map[string]candidates{"x": of}}
	chain := c.For(&entity.Route{ID: "r"})
	for consumer, want := range map[string]string{"c": "access c", "d": "", "": ""} {
		calls = nil
		x := &Exchange{Ctx: &fasthttp.RequestCtx{}}
		if consumer != "" {
			x.Consumer = &entity.Consumer{ID: consumer}
		}
		chain.Access(x)
		if got := strings.Join(calls, ","); got != want {
			t.Errorf("consumer %q: called %q, want %q", consumer, got, want)
		}
	}
}

func TestPluginsBehindTheOneThatAnswersSeeTheResponse(t *testing.T) {
	var calls []string
	c := &Chains{byName: map[string]candidates{}}
	for i, name := range []string{"first", "answers", "behind"} {
		of := candidates{}
		of.add(candidate{&entity.Plugin{Name: name}, phasesFor(&spy{name: name, answer: i == 1, calls: &calls})})
		c.byName[name] = of
		c.names = append(c.names, name)
	}
	chain := c.For(&entity.Route{ID: "r"})
	x := &Exchange{Ctx: &fasthttp.RequestCtx{}}
	for range 2 { // an exchange is used again
		calls = nil
		if !chain.Access(x) {
			t.Error("no plugin answered")
		}
		if err := chain.Filter(x); err != nil {
			t.Error(err)
		}
		chain.Log(x)
		want := "access first,access answers,header_filter first,header_filter behind,log first,log behind,log answers"
		if got := strings.Join(calls, ","); got != want {
			t.Errorf("called %s, want %s", got, want)
		}
		x.Reset()
	}
}

// named declares a plugin that does nothing.
func named(name string, priority int) Definition {
	return Definition{
		PluginSchema: entity.PluginSchema{Name: name}, Priority: priority,
		New: func(c *entity.Plugin, _ *Deps) (Plugin, error) {
			if c.Config["broken"] != nil {
				return nil, errors.New("config.broken is set")
			}
			return &spy{calls: new([]string)}, nil
		},
	}
}

func TestPluginsRunByPriority(t *testing.T) {
	idle := Definition{PluginSchema: entity.PluginSchema{Name: "idle"}, New: func(*entity.Plugin, *Deps) (Plugin, error) { return 1, nil }}
	d := &Deps{Plugins: NewSet(named("last", 13), named("b", 910), named("a", 910), named("first", 1250), idle)}
	cfg := &entity.Config{Plugins: []entity.Plugin{
		{ID: "1", Name: "last", Enabled: true},
		{ID: "2", Name: "b", Enabled: true},
		{ID: "3", Name: "first", Enabled: true},
		{ID: "4", Name: "a", Enabled: true},
		{ID: "5", Name: "no-such", Enabled: false},
	}}
	c, err := NewChains(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.names, " "); got != "first a b last" {
		t.Errorf("order %s", got)
	}
	for want, p := range map[string]entity.Plugin{
		"plugin no-such (4): this gateway does not have it": {ID: "4", Name: "no-such", Enabled: true},
		"plugin first (5): config.broken is set":            {ID: "5", Name: "first", Enabled: true, Config: map[string]any{"broken": true}},
		"plugin idle (6): it implements no phase":           {ID: "6", Name: "idle", Enabled: true},
	} {
		if _, err := NewChains(&entity.Config{Plugins: []entity.Plugin{p}}, d); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
