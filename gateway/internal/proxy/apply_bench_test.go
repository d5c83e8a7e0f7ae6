package proxy

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// manyRoutes is a configuration with a service per ten routes, and a plugin per
// service.
func manyRoutes(n int) *entity.Config {
	c := &entity.Config{Revision: 1}
	for i := range n {
		service := fmt.Sprintf("s%d", i/10)
		if i%10 == 0 {
			c.Services = append(c.Services, entity.Service{
				ID: service, Name: service, Enabled: true, Protocol: "http", Host: "127.0.0.1", Port: 9000 + i/10%1000, Path: "/",
				ConnectTimeout: 1000, ReadTimeout: 1000, WriteTimeout: 1000,
			})
		}
		c.Routes = append(c.Routes, &entity.Route{
			ID: fmt.Sprintf("r%d", i), Name: fmt.Sprintf("route-%d", i), Protocols: []string{"http", "https"},
			Paths: []string{fmt.Sprintf("/api/%d/items", i)}, StripPath: true, Service: &entity.Ref{ID: service},
		})
	}
	return c
}

// BenchmarkApply puts a configuration into use that differs from the one before
// by one route's path.
func BenchmarkApply(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			c := manyRoutes(n)
			p, _ := benchmarked(b, c)
			b.ReportAllocs()
			for b.Loop() {
				next := *c
				next.Revision++
				next.Routes = slices.Clone(c.Routes)
				next.Routes[n/2] = new(*c.Routes[n/2])
				next.Routes[n/2].Paths = []string{fmt.Sprintf("/changed/%d", next.Revision)}
				if err := p.Apply(&next); err != nil {
					b.Fatal(err)
				}
				c = &next
			}
		})
	}
}
