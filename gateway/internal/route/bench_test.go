package route

import (
	"fmt"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// manyRoutes is a table as a large installation has it: routes with paths of
// their own, every fourth with a host, some with a method or an expression.
func manyRoutes(n int) []*entity.Route {
	routes := make([]*entity.Route, n)
	for i := range routes {
		r := &entity.Route{ID: fmt.Sprintf("%08d", i), Paths: []string{fmt.Sprintf("/team-%d/service-%d/v1", i%37, i)}, CreatedAt: int64(i)}
		switch i % 8 {
		case 1, 5:
			r.Hosts = []string{fmt.Sprintf("svc-%d.example.com", i)}
		case 2:
			r.Methods = []string{"GET", "POST"}
		case 3:
			r.Paths = []string{fmt.Sprintf(`~/team-%d/regex-%d/\d+`, i%37, i)}
		}
		routes[i] = r
	}
	return append(routes, &entity.Route{ID: "wild", Hosts: []string{"*.example.org"}}, &entity.Route{ID: "all", Paths: []string{"/"}})
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		table := mustTable(b, manyRoutes(n)...)
		for _, c := range []struct {
			name string
			req  Request
		}{
			{"prefix", Request{Method: "GET", Host: "gw:8000", Path: "/team-8/service-8/v1/models/17"}},
			{"host", Request{Method: "GET", Host: "svc-9.example.com", Path: "/team-9/service-9/v1/models/17"}},
			{"wildcard", Request{Method: "GET", Host: "a.b.example.org", Path: "/x"}},
			{"regex", Request{Method: "GET", Host: "gw:8000", Path: "/team-3/regex-3/123/x"}},
			{"fallback", Request{Method: "GET", Host: "gw:8000", Path: "/nothing/like/it"}},
		} {
			b.Run(fmt.Sprintf("%s/routes=%d", c.name, n), func(b *testing.B) {
				b.ReportAllocs()
				c.req.Scheme = "http"
				for b.Loop() {
					if _, ok := table.Match(&c.req); !ok {
						b.Fatal("no match")
					}
				}
			})
		}
	}
}

func BenchmarkNew10000(b *testing.B) {
	routes := manyRoutes(10000)
	for b.Loop() {
		mustTable(b, routes...)
	}
}

// Thousands of routes must cost nothing in memory either: no match of a plain
// route may allocate.
func TestPlainMatchesDoNotAllocate(t *testing.T) {
	table := mustTable(t, manyRoutes(1000)...)
	for _, req := range []Request{
		{Method: "GET", Host: "gw:8000", Scheme: "http", Path: "/team-8/service-8/v1/models/17"},
		{Method: "GET", Host: "svc-9.example.com", Scheme: "http", Path: "/team-9/service-9/v1"},
		{Method: "GET", Host: "a.b.example.org:8000", Scheme: "https", Path: "/x"},
		{Method: "GET", Host: "[::1]:80", Scheme: "http", Path: "/"},
	} {
		if n := testing.AllocsPerRun(100, func() {
			if _, ok := table.Match(&req); !ok {
				t.Error("no match")
			}
		}); n != 0 {
			t.Errorf("%s%s: %v allocations", req.Host, req.Path, n)
		}
	}
}
