package plugin

import (
	"fmt"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"gatelab/gateway/internal/entity"
)

// spy is a plugin that writes down when it is called.
type spy struct {
	name   string
	answer bool
	calls  *[]string
}

func (s *spy) Access(*Exchange) bool { *s.calls = append(*s.calls, "access "+s.name); return s.answer }
func (s *spy) Response(*Exchange)    { *s.calls = append(*s.calls, "response "+s.name) }
func (s *spy) Log(*Exchange)         { *s.calls = append(*s.calls, "log "+s.name) }

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
					of.add(configured{p, hooksOf(&spy{name: refs, calls: &calls})})
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

func TestAConsumersOwnConfigurationIsForNobodyElse(t *testing.T) {
	var calls []string
	of := candidates{}
	of.add(configured{&entity.Plugin{Name: "x", Consumer: &entity.Ref{ID: "c"}}, hooksOf(&spy{name: "c", calls: &calls})})
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

func TestFacesAreCalledForWhatAccessHasReached(t *testing.T) {
	var calls []string
	c := &Chains{byName: map[string]candidates{}}
	for i, name := range []string{"first", "answers", "never"} {
		of := candidates{}
		of.add(configured{&entity.Plugin{Name: name}, hooksOf(&spy{name: name, answer: i == 1, calls: &calls})})
		c.byName[name] = of
		c.names = append(c.names, name)
	}
	chain := c.For(&entity.Route{ID: "r"})
	x := &Exchange{Ctx: &fasthttp.RequestCtx{}}
	for range 2 { // an exchange is used again
		calls = nil
		if !chain.Access(x) {
			t.Error("nobody answered")
		}
		chain.Response(x)
		chain.Log(x)
		if got, want := strings.Join(calls, ","), "access first,access answers,response first,log first,log answers"; got != want {
			t.Errorf("called %s, want %s", got, want)
		}
		x.Reset()
	}
}

func TestPluginsRunByKongsPriority(t *testing.T) {
	cfg := &entity.Config{Plugins: []entity.Plugin{
		{ID: "1", Name: "prometheus", Enabled: true, Config: map[string]any{}},
		{ID: "2", Name: "key-auth", Enabled: true, Config: map[string]any{"key_names": []any{"k"}}},
		{ID: "3", Name: "no-such", Enabled: false},
	}}
	c, err := NewChains(cfg, &Deps{})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.names, " "); got != "key-auth prometheus" {
		t.Errorf("order %s", got)
	}
	for want, p := range map[string]entity.Plugin{
		"plugin no-such (4): this gateway does not have it": {ID: "4", Name: "no-such", Enabled: true},
		"plugin key-auth (5): config.key_names is empty":    {ID: "5", Name: "key-auth", Enabled: true, Config: map[string]any{}},
	} {
		if _, err := NewChains(&entity.Config{Plugins: []entity.Plugin{p}}, &Deps{}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
