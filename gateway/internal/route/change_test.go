package route

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// altered deletes, changes and adds some of the routes, by chance.
func altered(r *rand.Rand, routes []*entity.Route, next *int) []*entity.Route {
	out := slices.Clone(routes)
	for range 1 + r.IntN(4) {
		fresh := randomRoutes(r)[0]
		switch at := r.IntN(len(out) + 1); {
		case at == len(out):
			fresh.ID = fmt.Sprintf("n%04d", *next)
			*next++
			out = append(out, fresh)
		case r.IntN(2) == 0 && len(out) > 1:
			out = slices.Delete(out, at, at+1)
		default:
			fresh.ID = out[at].ID
			out[at] = fresh
		}
	}
	return out
}

// checkChanges follows random changes of a table, and compares each with the rules.
func checkChanges(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 2))
	routes := randomRoutes(r)
	table := mustTable(t, routes...)
	next := 0
	for range 12 {
		routes = altered(r, routes, &next)
		before := *table
		changed, changes, err := table.Change(routes)
		if err != nil || changed == nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		whole := mustTable(t, routes...)
		for range 8 {
			req, headers := randomRequest(r)
			want, prefix := reference(routes, &req)
			m, ok := changed.Match(&req)
			if ok != (want >= 0) || ok && (m.Index != changed.Slot(want) || m.Prefix != prefix || !Same(m.Route, routes[want])) {
				t.Fatalf("seed %d: %+v headers %v\ntable: slot %d %+v\nrules: route %d prefix %q\nroutes: %+v", seed, req, headers, m.Index,
					m, want, prefix, routes)
			}
		}
		if n := len(changes.Set) + len(changes.Cleared); n > 8 {
			t.Errorf("seed %d: %d changes", seed, n)
		}
		if got, want := shape(changed), shape(whole); got != want {
			t.Fatalf("seed %d: the trees are\n%s\nwant\n%s", seed, got, want)
		}
		if table.any.root.first != before.any.root.first || len(table.sorted) != len(before.sorted) {
			t.Fatalf("seed %d: the table that was changed is another", seed)
		}
		table = changed
	}
}

// shape is the trees of a table as text, without orders: those of a table that was
// changed are the ones that it would have been built with.
func shape(t *Table) string {
	var out []string
	var walk func(where string, n *node)
	walk = func(where string, n *node) {
		where += "|" + n.label
		for _, e := range n.entries {
			out = append(out, where+" "+e.route.ID)
		}
		for _, e := range n.entries {
			if e.order < n.first {
				out = append(out, where+" has an entry below first")
			}
		}
		for _, c := range n.children {
			if c.first < n.first {
				out = append(out, where+" has a child below first")
			}
			walk(where, c)
		}
	}
	walk("any", &t.any.root)
	for kind, m := range map[string]hostMap{"plain": t.plain, "suffix": t.suffix, "prefix": t.prefix} {
		for name, list := range m {
			for _, pt := range list {
				walk(kind+" "+name+" "+pt.port, &pt.tree.root)
			}
		}
	}
	slices.Sort(out)
	return fmt.Sprint(out)
}

func TestAChangedTableAgreesWithTheRules(t *testing.T) {
	for seed := range uint64(300) {
		checkChanges(t, seed)
	}
}

func FuzzChange(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(checkChanges)
}

func TestWhatDiffersByTooMuchIsBuiltAnew(t *testing.T) {
	table := mustTable(t, manyRoutes(1000)...)
	if changed, _, err := table.Change(manyRoutes(100)); changed != nil || err != nil {
		t.Errorf("got %v %v", changed, err)
	}
	bad := manyRoutes(1000)
	bad[7].Paths = []string{"nonsense"}
	if changed, _, err := table.Change(bad); changed != nil || err == nil {
		t.Errorf("a route that cannot be used: %v %v", changed, err)
	}
}

// Always between the same two neighbours, an entry once has no place left: the table
// is built anew then.
func TestPlacesBetweenTwoEntriesRunOut(t *testing.T) {
	routes := []*entity.Route{{ID: "a", Paths: []string{"/a"}, CreatedAt: 0}, {ID: "z", Paths: []string{"/z"}, CreatedAt: 1000}}
	table := mustTable(t, routes...)
	for i := range 100 {
		routes = append(routes, &entity.Route{ID: fmt.Sprintf("m%03d", i), Paths: []string{"/m"}, CreatedAt: int64(999 - i)})
		changed, _, err := table.Change(routes)
		if err != nil {
			t.Fatal(err)
		}
		if changed == nil {
			if i < 20 {
				t.Errorf("no place is left after %d", i)
			}
			return
		}
		table = changed
	}
	t.Error("there is always a place")
}

// BenchmarkChange10000 changes one route of ten thousand.
func BenchmarkChange10000(b *testing.B) {
	routes := manyRoutes(10000)
	table := mustTable(b, routes...)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		next := slices.Clone(routes)
		next[5000].Paths = []string{fmt.Sprintf("/changed/%d", i)}
		changed, _, err := table.Change(next)
		if err != nil || changed == nil {
			b.Fatal(err)
		}
		table, routes = changed, next
	}
}
