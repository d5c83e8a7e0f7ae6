package fault

import (
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// A probe that is slow once does not count as normal.
func TestOneSlowProbeIsNotNormal(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var probes atomic.Int64
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			if probes.Add(1) == 1 {
				time.Sleep(1500 * time.Millisecond)
			}
			_, _ = c.Write([]byte("x"))
			_ = c.Close()
		}
	}()
	f := &linkFault{base: base{KindLatency, "redis"}, listen: ln.Addr().String(), request: "PING\r\n"}
	if err := f.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := probes.Load(); n != healthyProbes || f.normal.took > time.Second {
		t.Errorf("after %d probes %s is normal, want the least of %d", n, f.normal.took, healthyProbes)
	}
}
