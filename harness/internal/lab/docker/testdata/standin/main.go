// Command standin plays gateway and harness in the tests of the lab: it
// listens where they would and answers 200 to everything.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	handler := http.NewServeMux()
	handler.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s\n", os.Getenv("GATEWAY_NODE_NAME"), r.Method, r.URL.Path)
	})
	// /burn uses the processor for a while, for the tests of Usage.
	handler.HandleFunc("/burn", func(http.ResponseWriter, *http.Request) {
		for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
		}
	})
	// /dial says whether an address can be reached from here.
	handler.HandleFunc("/dial", func(w http.ResponseWriter, r *http.Request) {
		c, err := net.DialTimeout("tcp", r.URL.Query().Get("addr"), time.Second)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		fmt.Fprintln(w, c.RemoteAddr())
		_ = c.Close()
	})
	handler.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: first\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	fmt.Println("standin", strings.Join(os.Args[1:], " "))
	failed := make(chan error)
	for _, addr := range addresses() {
		go func() { failed <- http.ListenAndServe(addr, handler) }()
	}
	log.Fatal(<-failed)
}

// addresses are all --x=host:port flags and GATEWAY_*_LISTEN variables; with
// --admin and --proxy=name=listen,... as the link has them.
func addresses() []string {
	var found []string
	for _, arg := range os.Args[1:] {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			continue
		}
		switch name {
		case "--proxy":
			_, value, _ = strings.Cut(value, "=")
			value, _, _ = strings.Cut(value, ",")
			found = append(found, value)
		case "--listen", "--null", "--admin":
			found = append(found, value)
		}
	}
	for _, name := range []string{"PROXY", "ADMIN", "STATUS"} {
		if value := os.Getenv("GATEWAY_" + name + "_LISTEN"); value != "" {
			found = append(found, value)
		}
	}
	return found
}
