package proxycache

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// said is what a response of the model's origin says, in seconds; -1: nothing.
type said struct {
	maxAge, sMaxAge, age, swr, sie int
	noStore, private, must         bool
}

func randomly(r *rand.Rand, n int) int {
	if r.IntN(3) == 0 {
		return r.IntN(n)
	}
	return -1
}

func newSaid(r *rand.Rand) said {
	return said{
		maxAge: r.IntN(100) - 10, sMaxAge: randomly(r, 100), age: randomly(r, 50), swr: randomly(r, 60), sie: randomly(r, 60),
		noStore: r.IntN(10) == 0, private: r.IntN(10) == 0, must: r.IntN(4) == 0,
	}
}

func (s *said) fields() []string {
	var list []string
	number := func(name string, n int) {
		if n >= 0 {
			list = append(list, fmt.Sprint(name, "=", n))
		}
	}
	flag := func(name string, set bool) {
		if set {
			list = append(list, name)
		}
	}
	number("max-age", s.maxAge)
	number("s-maxage", s.sMaxAge)
	number("stale-while-revalidate", s.swr)
	number("stale-if-error", s.sie)
	flag("no-store", s.noStore)
	flag("private", s.private)
	flag("must-revalidate", s.must)
	fields := []string{"Cache-Control", strings.Join(list, ", ")}
	if s.age >= 0 {
		fields = append(fields, "Age", fmt.Sprint(s.age))
	}
	return fields
}

// kept is RFC 9111 in the simplest words, of a response without validators: its lifetime,
// for how long it can be used after it came, and for how long it is kept.
func (s *said) kept() (lifetime, useful, keep int) {
	lifetime = s.maxAge
	if s.sMaxAge >= 0 {
		lifetime = s.sMaxAge
	}
	if s.noStore || s.private || lifetime < 0 {
		return 0, 0, 0
	}
	fresh := lifetime - max(s.age, 0)
	useful = fresh
	if !s.must {
		useful = fresh + max(s.swr, s.sie, 0)
	}
	if useful <= 0 {
		return 0, 0, 0
	}
	keep = useful
	if !s.must && s.sMaxAge < 0 {
		keep += 60
	}
	return lifetime, useful, keep
}

// wants is what a request of the model says, in seconds; -1: nothing.
type wants struct {
	maxAge, minFresh, maxStale int
	only                       bool
}

func (w *wants) field() string {
	var list []string
	for name, n := range map[string]int{"max-age": w.maxAge, "min-fresh": w.minFresh, "max-stale": w.maxStale} {
		if n >= 0 {
			list = append(list, fmt.Sprint(name, "=", n))
		}
	}
	if w.only {
		list = append(list, "only-if-cached")
	}
	return strings.Join(list, ", ")
}

// isServed is RFC 9111, 4.2 and 5.2.1, of a response that came since seconds ago.
func (w *wants) isServed(s *said, since int) bool {
	lifetime, _, keep := s.kept()
	if keep == 0 || since >= keep {
		return false
	}
	age := since + max(s.age, 0)
	left := lifetime - age
	switch {
	case w.maxAge >= 0 && age > w.maxAge, w.minFresh >= 0 && left < w.minFresh:
		return false
	case left > 0:
		return true
	}
	return w.maxStale >= 0 && !s.must && s.sMaxAge < 0 && -left <= w.maxStale
}

// TestFreshnessIsTheModels has random responses and requests at random times.
func TestFreshnessIsTheModels(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) { playModel(t, rand.New(rand.NewPCG(seed, 18))) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func playModel(t *testing.T, r *rand.Rand) {
	b := newCacheBench(t, map[string]any{"cache_control": true})
	var last said
	var came time.Time
	body := ""
	for step := range 12 {
		time.Sleep(time.Duration(r.IntN(60)) * time.Second)
		w := wants{randomly(r, 80), randomly(r, 40), randomly(r, 80), r.IntN(8) == 0}
		served := body != "" && w.isServed(&last, int(time.Since(came)/time.Second))
		next := newSaid(r)
		text := fmt.Sprint("answer ", step)
		b.answers(text, next.fields()...)
		x := request("/model", "Cache-Control", w.field())
		asked := b.pass(x)
		r := &x.Ctx.Response
		about := fmt.Sprintf("step %d: %+v of %+v after %s", step, w, last, time.Since(came))
		switch {
		case served:
			if asked || string(r.Body()) != body {
				t.Errorf("%s: asked %t, %q, want %q", about, asked, r.Body(), body)
			}
		case w.only:
			if asked || r.StatusCode() != fasthttp.StatusGatewayTimeout {
				t.Errorf("%s: asked %t, %d, want 504", about, asked, r.StatusCode())
			}
		default:
			if !asked {
				t.Errorf("%s: answered with %q", about, r.Body())
			}
			last, came = next, time.Now()
			body = text
		}
	}
}

// pass sends a request through. It tells whether the origin was asked.
func (b *cacheBench) pass(x *plugin.Exchange) (asked bool) {
	if !b.plugin.Access(x) {
		asked = true
		b.upstream(x.Ctx)
		x.Proxied = true
		b.plugin.HeaderFilter(x)
	}
	b.plugin.Log(x)
	return asked
}
