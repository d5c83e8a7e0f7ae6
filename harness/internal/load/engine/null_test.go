package engine

import (
	"net"
	"testing"
	"time"
)

// A null server that is ended before it serves ends all the same.
func TestNullServerEndsBeforeItServes(t *testing.T) {
	for _, early := range []bool{true, false} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		n := NewNullServer()
		if early {
			if err := n.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		served := make(chan error, 1)
		go func() { served <- n.Serve(l) }()
		if !early { // at any moment
			if err := n.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case err := <-served:
			if err != nil {
				t.Errorf("early %v: %v", early, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("early %v: it still serves", early)
		}
	}
}
