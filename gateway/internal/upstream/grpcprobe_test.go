package upstream

import (
	"crypto/tls"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// TestGRPCHealthChecks: a real health server says NOT_SERVING, SERVING, and not to
// know a service.
func TestGRPCHealthChecks(t *testing.T) {
	secure := httptest.NewUnstartedServer(nil) // for its certificate
	secure.StartTLS()
	defer secure.Close()
	for kind, options := range map[string][]grpc.ServerOption{
		"grpc":  nil,
		"grpcs": {grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: secure.TLS.Certificates}))}, //nolint:gosec // the test's own
	} {
		t.Run(kind, func(t *testing.T) {
			told := grpchealth.NewServer()
			server := grpc.NewServer(options...)
			healthpb.RegisterHealthServer(server, told)
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- server.Serve(ln) }()
			defer func() { server.Stop(); <-served }()
			pools := NewPools(Config{}, nil)
			defer pools.Close()
			state := func(path string) func() bool {
				u := &entity.Upstream{ID: "u" + path, Name: "u", Algorithm: "round-robin", Healthchecks: entity.Healthchecks{Active: entity.ActiveCheck{
					Type: kind, Timeout: 5, Concurrency: 1, HTTPPath: path,
					Healthy:   entity.HealthySigns{Interval: 0.01, HTTPStatuses: []int{200}, Successes: 1},
					Unhealthy: entity.UnhealthySigns{Interval: 0.01, HTTPStatuses: []int{404, 501, 503}, HTTPFailures: 2, TCPFailures: 2, Timeouts: 2},
				}}}
				b, err := pools.Balancer(&entity.Service{ID: "s" + path, Host: "u", Port: 80, Protocol: "grpc"}, &Source{
					Upstreams: map[string]*entity.Upstream{"u": u},
					Targets:   map[string][]entity.Target{u.ID: {{Target: ln.Addr().String(), Weight: 1}}},
				})
				if err != nil {
					t.Fatal(err)
				}
				pools.Keep([]*Balancer{b})
				return func() bool { return b.ring.Load().members[0].target.until.Load() == 0 }
			}
			healthy := state("/")
			becomes := func(want bool) {
				t.Helper()
				for end := time.Now().Add(20 * time.Second); healthy() != want; time.Sleep(5 * time.Millisecond) {
					if time.Now().After(end) {
						t.Fatalf("healthy: %t for 20 s", !want)
					}
				}
			}
			told.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
			becomes(false)
			told.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
			becomes(true)
			healthy = state("/a.Service")
			becomes(false)
			told.SetServingStatus("a.Service", healthpb.HealthCheckResponse_SERVING)
			becomes(true)
		})
	}
}
