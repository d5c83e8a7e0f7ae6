package link_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/gatelab/gatelab/harness/internal/link"
)

// A link delays what passes between a client and a server by 20 ms in each
// direction.
func Example() {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); c.Close() }()
		}
	}()
	addr, err := unusedAddr()
	if err != nil {
		fmt.Println(err)
		return
	}
	proxy, err := link.ParseProxy("echo=" + addr + "," + server.Addr().String() + ",20ms")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- link.Run(ctx, link.Config{Proxies: []link.Proxy{proxy}}) }()

	took, err := exchange(addr)
	fmt.Println("at least 40 ms:", took >= 40*time.Millisecond, err)
	cancel()
	fmt.Println("link:", <-done)
	// Output:
	// at least 40 ms: true <nil>
	// link: <nil>
}

// unusedAddr is an address on loopback that nothing listens on.
func unusedAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// exchange sends one line, once something listens, and waits until it comes back.
func exchange(addr string) (time.Duration, error) {
	var c net.Conn
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if c, err = net.Dial("tcp", addr); err == nil {
			break
		}
	}
	if err != nil {
		return 0, err
	}
	defer c.Close()
	began := time.Now()
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		return 0, err
	}
	_, err = io.ReadFull(c, make([]byte, len("hello\n")))
	return time.Since(began), err
}
