package plugintest

import (
	"maps"
	"net"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Datagrams is a server that a logging plugin sends datagrams to. It ends with the
// test.
type Datagrams struct{ conn net.PacketConn }

// ListenDatagrams listens on an address of a network, such as "127.0.0.1:0" of udp
// or a path of unixgram.
func ListenDatagrams(tb testing.TB, network, address string) Datagrams {
	tb.Helper()
	conn, err := net.ListenPacket(network, address)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return Datagrams{conn}
}

// Config is the configuration of a plugin that sends to a UDP server: host, port,
// and what is in own.
func (d Datagrams) Config(own entity.Record) entity.Record {
	config := entity.Record{"host": "127.0.0.1", "port": d.conn.LocalAddr().(*net.UDPAddr).Port} //nolint:forcetypeassert // of UDP
	maps.Copy(config, own)
	return config
}

// Receive is the next datagram; the test fails where none comes in 10 s.
func (d Datagrams) Receive(tb testing.TB) string {
	tb.Helper()
	buf := make([]byte, 1<<16)
	_ = d.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, _, err := d.conn.ReadFrom(buf)
	if err != nil {
		tb.Fatal(err)
	}
	return string(buf[:n])
}
