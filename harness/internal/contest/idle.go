package contest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/sync/errgroup"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
)

// idle measures the memory that idle connections cost an arm.
func (m *measurer) idle(ctx context.Context, a *arm) error {
	node, ok := m.session.Lab.Node(a.System.Name)
	if !ok {
		return fmt.Errorf("the lab has no %s", a.System.Name)
	}
	if err := session.Rest(ctx, idleRest); err != nil {
		return err
	}
	before, err := a.usage(ctx, m.session)
	if err != nil {
		return err
	}
	its := m.policy.Traffic[0]
	var one opener = openOne
	if m.policy.WebSocket {
		one = func(ctx context.Context, address, path string) (net.Conn, error) {
			return openSocket(ctx, address, path, its.Body)
		}
	}
	open, err := openIdle(ctx, node.HostAddr(a.System.ListenPort()), its.Sample(), m.policy.Idle, one)
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	if len(open) == 0 {
		return err
	}
	if err := session.Rest(ctx, idleRest); err != nil {
		return err
	}
	after, err := a.usage(ctx, m.session)
	if err != nil {
		return err
	}
	tellIdle(a.cell, before, after, stillOpen(open), m.policy.Idle)
	return nil
}

// tellIdle puts the memory per connection into a cell, if the arm carries the connections.
func tellIdle(cell *result.MatrixCell, before, after lab.Usage, carried, wanted int) {
	cell.Put(result.FigureCarried, float64(carried))
	if carried < wanted {
		cell.Reasons = append(cell.Reasons, fmt.Sprintf("it keeps %d of %d idle connections: memory per connection is not told", carried, wanted))
		return
	}
	cell.Put(result.FigureIdle, (float64(after.MemoryBytes)-float64(before.MemoryBytes))/1024/float64(carried))
}

// opener opens a connection to host:port, and makes one exchange on it.
type opener func(ctx context.Context, address, path string) (net.Conn, error)

// openIdle opens connections, some at a time, until one is not answered. The error says why.
func openIdle(ctx context.Context, address, path string, n int, one opener) ([]net.Conn, error) {
	var (
		group errgroup.Group
		mu    sync.Mutex
		open  []net.Conn
	)
	group.SetLimit(idleAtATime)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for range n {
		group.Go(func() error {
			c, err := one(ctx, address, path)
			if err != nil {
				cancel(err) // the others need not be tried
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			open = append(open, c)
			return nil
		})
	}
	err := group.Wait()
	return open, err
}

// openOne opens a connection and makes one exchange on it.
func openOne(ctx context.Context, address, path string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialWithin}
	c, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if err := askOn(c, address, path); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// askOn makes one exchange on a connection that stays open.
func askOn(c net.Conn, host, path string) error {
	if err := c.SetDeadline(time.Now().Add(dialWithin)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	switch {
	case err != nil:
		return err
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("GET %s answered %d", path, res.StatusCode)
	case res.Close:
		return errors.New("the connection is not kept")
	}
	return c.SetDeadline(time.Time{})
}

// stillOpen counts the connections that their server has not ended.
func stillOpen(open []net.Conn) int {
	n := 0
	for _, c := range open {
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond / 10))
		_, err := c.Read(make([]byte, 1))
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			n++
		}
	}
	return n
}

// openSocket opens a WebSocket, and has one message echoed.
func openSocket(ctx context.Context, address, path, message string) (net.Conn, error) {
	dialer := websocket.Dialer{HandshakeTimeout: dialWithin}
	ws, res, err := dialer.DialContext(ctx, "ws://"+address+path, nil) //nolint:bodyclose // the library has read what it gives
	switch {
	case err != nil && res != nil:
		return nil, fmt.Errorf("GET %s answered %d: %w", path, res.StatusCode, err)
	case err != nil:
		return nil, err
	}
	err = errors.Join(ws.SetReadDeadline(time.Now().Add(dialWithin)), ws.WriteMessage(websocket.TextMessage, []byte(message)))
	if err == nil {
		_, _, err = ws.ReadMessage()
	}
	if err == nil {
		err = ws.SetReadDeadline(time.Time{})
	}
	if err != nil {
		ws.Close()
		return nil, err
	}
	return ws.NetConn(), nil
}
