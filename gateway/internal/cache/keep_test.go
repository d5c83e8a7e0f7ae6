package cache

import (
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/redisconn"
)

func TestNoPurgeWaitsForARedisThatIsNotUsed(t *testing.T) {
	s := newStore(t, Config{})
	gone := newClient(t, redisconn.Options{Host: "127.0.0.1", Port: 1})
	old := s.Space(gone)
	memory := s.Space(nil)
	if err := s.PurgeAll(t.Context()); err == nil {
		t.Fatal("a purge of a Redis that is away succeeded")
	}
	s.Keep([]*Space{memory})
	if err := s.PurgeAll(t.Context()); err != nil {
		t.Errorf("purge of all: %v", err)
	}
	if _, err := s.Purge(t.Context(), keyOf("a")); err != nil {
		t.Errorf("purge of one: %v", err)
	}
	if s.Space(nil) != memory {
		t.Error("a space in use was given up")
	}
	// A request in flight still ends what it has begun.
	fill(t, old, query("a", header()), response("body"))
	if s.Space(gone) == old {
		t.Error("a space that was given up came back")
	}
}
