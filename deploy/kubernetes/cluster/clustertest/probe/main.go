// Command probe is a pod of tests: it serves its own name (serve), or calls a URL until it is answered (call URL).
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	if err := probe(os.Args[1:]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func probe(args []string) error {
	if len(args) == 2 && args[0] == "call" {
		return call(args[1])
	}
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name+"\n") })
	server := http.Server{Addr: ":8080", Handler: handler, ReadHeaderTimeout: time.Minute}
	return server.ListenAndServe()
}

// call tries for half a minute: a new service reaches the nodes some time later.
func call(url string) error {
	client := http.Client{Timeout: 2 * time.Second}
	var last error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		res, err := client.Get(url)
		if last = err; err != nil {
			continue
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if last = err; err == nil {
			fmt.Println("answered by", strings.TrimSpace(string(body)))
			return nil
		}
	}
	return last
}
