package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// keepAliveClient is a client that keeps its connection and sends nothing twice. It ends
// when it cannot connect any more; every request that it has sent must be
// answered.
type keepAliveClient struct {
	address  string
	pause    time.Duration
	begun    *atomic.Int64 // connections on which there was an answer
	answered *atomic.Int64
	closed   *atomic.Int64 // answers that said Connection: close
}

func (c *keepAliveClient) run(ctx context.Context) error {
	var d net.Dialer
	for ctx.Err() == nil {
		conn, err := d.DialContext(ctx, "tcp", c.address)
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) {
			return nil // nothing was sent: the balancer would go to another replica
		}
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		err = c.use(ctx, conn)
		_ = conn.Close()
		if err != nil {
			return err
		}
	}
	return errors.New("the gateway never closed its listener")
}

// use asks on a connection until an answer says that it was the last.
func (c *keepAliveClient) use(ctx context.Context, conn net.Conn) error {
	br := bufio.NewReader(conn)
	for n := 0; ctx.Err() == nil; n++ {
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		if _, err := io.WriteString(conn, "POST /ai/x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok"); err != nil {
			return fmt.Errorf("request %d of a connection: send: %w", n, err)
		}
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			return fmt.Errorf("request %d of a connection was sent and not answered: %w", n, err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 200 {
			return fmt.Errorf("request %d of a connection: %s %w", n, res.Status, err)
		}
		c.answered.Add(1)
		if n == 0 {
			c.begun.Add(1)
		}
		if res.Close {
			c.closed.Add(1)
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(c.pause):
		}
	}
	return nil
}

func TestARestartLosesNoRequestThatWasSent(t *testing.T) {
	for _, delay := range []string{"0s", "100ms"} {
		t.Run("drain_delay "+delay, func(t *testing.T) {
			b := boot(t, "--drain-delay="+delay, "--drain-idle=5s")
			b.service()
			b.eventually("the configuration arrives", func() bool { return b.get(b.proxy+"/ai/a").StatusCode == 200 })
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			var begun, answered, closed atomic.Int64
			var wg sync.WaitGroup
			// Half of the clients are busy, half think between two requests.
			for i := range 32 {
				c := &keepAliveClient{address: strings.TrimPrefix(b.proxy, "http://"), begun: &begun, answered: &answered, closed: &closed}
				if i%2 == 1 {
					c.pause = time.Duration(5*i) * time.Millisecond
				}
				wg.Go(func() {
					if err := c.run(ctx); err != nil {
						t.Errorf("client %d: %v", i, err)
					}
				})
			}
			b.eventually("traffic flows", func() bool { return begun.Load() == 32 && answered.Load() > 200 })
			b.cancel()
			wg.Wait()
			if closed.Load() < 32 {
				t.Errorf("only %d answers said Connection: close", closed.Load())
			}
			t.Logf("%d requests were answered", answered.Load())
		})
	}
}

func TestAnIdleConnectionDoesNotHoldUpADrain(t *testing.T) {
	b := boot(t, "--drain-idle=50ms", "--drain-timeout=1m")
	b.service()
	b.eventually("the configuration arrives", func() bool { return b.get(b.proxy+"/ai/a").StatusCode == 200 })
	b.cancel()
	select {
	case <-b.ended:
	case <-time.After(30 * time.Second):
		t.Fatal("an idle client's connection holds up the drain")
	}
}
