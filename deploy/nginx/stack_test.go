package nginx

import (
	"bytes"
	"flag"
	"os"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the generated configuration of deploy/docker")

// The stack to use by hand has the load balancer of the ladder's last stage.
func TestStackHasThisConfiguration(t *testing.T) {
	want, err := Render(Config{
		Listen: ":8080", Status: ":8081", Upstreams: []string{"gateway-1:8000", "gateway-2:8000", "gateway-3:8000"},
		Method: "least_conn", Keepalive: 1024, MaxFails: 3, FailTimeout: 30 * time.Second, Retries: true, Workers: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	const file = "../docker/nginx.conf"
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the template makes (%v): run go test ./deploy/nginx -update", file, err)
	}
}
