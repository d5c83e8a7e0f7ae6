package contest

import (
	"testing"

	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/sut"
)

func TestLoopbackIsNotReachableFromAContainer(t *testing.T) {
	for _, c := range []struct {
		name, runtime, address string
		refused                bool
	}{
		{name: "loopback from a container", runtime: session.RuntimeDocker, address: "127.0.0.1:80", refused: true},
		{name: "localhost from a container", runtime: session.RuntimeDocker, address: "localhost:80", refused: true},
		{name: "loopback from a process", runtime: session.RuntimeHost, address: "127.0.0.1:80"},
		{name: "another address", runtime: session.RuntimeDocker, address: "192.0.2.1:80"},
		{name: "an arm of the lab", runtime: session.RuntimeDocker},
	} {
		err := reachable(c.runtime, []*sut.System{{Name: "staging", Address: c.address}})
		if (err != nil) != c.refused {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
