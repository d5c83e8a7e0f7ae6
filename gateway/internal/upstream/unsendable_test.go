package upstream

import (
	"errors"
	"net"
	"testing"
)

func TestARequestThatCannotBeWrittenIsNotTheTargetsFault(t *testing.T) {
	url, connections := listen(t, func(c net.Conn) { answerAll(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") })
	p := NewPools(Config{Keepalive: 2, EjectAfter: 2, RetryMin: 1000}, nil)
	defer p.Close()
	b := serviceAt(t, p, url)
	for range 5 {
		bad := newCall(b)
		bad.Retries = 3
		bad.Request.Header.SetHost("")
		bad.KeepHost = true
		if err := p.Do(bad); err == nil || errors.Is(err, ErrNoTarget) {
			t.Fatalf("a request without a host: %v", err)
		}
	}
	if n := connections.Load(); n > 5 {
		t.Errorf("five such requests took %d connections: they were tried again", n)
	}
	if err := p.Do(newCall(b)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
