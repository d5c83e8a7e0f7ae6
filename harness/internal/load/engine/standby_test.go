package engine

import (
	"context"
	"net"
	"testing"
	"time"
)

// listening takes connections and keeps them.
func listening(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

func TestConnectionsGoToTheStandbyWhereTheTargetRefuses(t *testing.T) {
	first, second := listening(t), listening(t)
	d := newDialer(first.Addr().String(), func() bool { return true }, func() {})
	d.standby = second.Addr().String()
	defer d.closeAll()
	dial := func() string {
		c, err := d.dial(context.Background(), time.Second, false)
		if err != nil {
			t.Fatal(err)
		}
		return c.RemoteAddr().String()
	}
	if got := dial(); got != first.Addr().String() {
		t.Errorf("connected to %s, want the target", got)
	}
	first.Close()
	if got := dial(); got != second.Addr().String() {
		t.Errorf("connected to %s, want the standby", got)
	}
	second.Close()
	if _, err := d.dial(context.Background(), time.Second, false); err == nil {
		t.Error("connected though nothing listens")
	}
}
