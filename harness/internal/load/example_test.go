package load_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/load/engine"
)

// A worker, here in the same process, sends load to a server on loopback; a client
// starts the attack and waits for the result.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "hello")
	}))
	defer server.Close()
	worker := engine.NewWorker(nil) // no targets but loopback
	defer worker.Close()
	api := httptest.NewServer(worker.Handler())
	defer api.Close()
	client := load.NewClient(api.URL)
	defer client.Close()

	result, err := client.Run(context.Background(), load.Attack{
		Model:    load.Open,
		Target:   server.URL,
		Rate:     100, // requests per second
		Duration: 500 * time.Millisecond,
		Requests: []load.Request{{Name: "hello", Path: "/"}},
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	// The corrected latency counts from the moment a request was due.
	fmt.Println("failed:", result.Failed)
	fmt.Println("p99 measured:", result.Corrected.Quantile(0.99) > 0)
	// Output:
	// failed: 0
	// p99 measured: true
}
