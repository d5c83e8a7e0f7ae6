package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// The PROXY protocol, versions 1 and 2: a balancer begins each connection with the
// addresses of the one that it has accepted. Only the addresses of
// ServerConfig.ProxyProtocol are balancers; theirs must begin so, and what others
// send is never read as it.
const (
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n" // of version 2
	proxyWord      = "PROXY "                 // of version 1
	longestProxyV1 = 107
	longestProxyV2 = 4 << 10 // bytes behind its first 16: addresses and what else a balancer says
	proxyV2Head    = 16
	proxyV2Local   = 0x20 // the balancer's own connection: a health check
	proxyV2Proxied = 0x21
	proxyV2Unknown = 0x00
	proxyV2TCPIPv4 = 0x11
	proxyV2TCPIPv6 = 0x21
)

var errProxyHeader = errors.New("the header of the PROXY protocol is malformed")

// proxied are the two ends of the connection that a balancer has accepted; invalid
// where it does not say.
type proxied struct{ client, local netip.AddrPort }

// fromBalancer tells whether a connection begins with the PROXY protocol.
func (s *Server) fromBalancer(c *clientConn) bool {
	if len(s.config.ProxyProtocol) == 0 {
		return false
	}
	a, ok := c.raw.RemoteAddr().(*net.TCPAddr)
	return ok && trustedProxies(s.config.ProxyProtocol).contain(a.AddrPort().Addr().Unmap())
}

// meetBalancer reads the PROXY protocol's header, which has as long as a request's,
// and takes the client's address from it.
func (c *clientConn) meetBalancer() error {
	if err := c.raw.SetReadDeadline(time.Now().Add(c.all.bounds.header)); err != nil {
		return err
	}
	p, err := readProxyHeader(c.raw)
	if err != nil {
		return err
	}
	if p.client.IsValid() {
		c.remote = net.TCPAddrFromAddrPort(p.client)
		c.port = strconv.Itoa(int(p.local.Port()))
	}
	return c.raw.SetReadDeadline(time.Time{})
}

// RemoteAddr is net.Conn's: the client's, also behind a balancer.
func (c *clientConn) RemoteAddr() net.Addr {
	if c.remote != nil {
		return c.remote
	}
	return c.raw.RemoteAddr()
}

// readProxyHeader reads a header, and nothing behind it.
func readProxyHeader(r io.Reader) (proxied, error) {
	var head [proxyV2Head]byte
	// Both versions have at least as many bytes as the signature.
	if _, err := io.ReadFull(r, head[:len(proxySignature)]); err != nil {
		return proxied{}, err
	}
	switch {
	case string(head[:len(proxySignature)]) == proxySignature:
		if _, err := io.ReadFull(r, head[len(proxySignature):]); err != nil {
			return proxied{}, err
		}
		return readProxyV2(r, head[len(proxySignature):])
	case bytes.HasPrefix(head[:], []byte(proxyWord)):
		return readProxyV1(r, head[:len(proxySignature)])
	}
	return proxied{}, errProxyHeader
}

func readProxyV1(r io.Reader, line []byte) (p proxied, err error) {
	var next [1]byte
	for !bytes.HasSuffix(line, crlf) {
		if len(line) == longestProxyV1 {
			return p, errProxyHeader
		}
		if _, err := io.ReadFull(r, next[:]); err != nil {
			return p, err
		}
		line = append(line, next[0])
	}
	words := strings.Split(string(line[:len(line)-len(crlf)]), " ")
	if words[1] == "UNKNOWN" {
		return p, nil
	}
	if len(words) != 6 || words[1] != "TCP4" && words[1] != "TCP6" {
		return p, errProxyHeader
	}
	client, ok := proxyAddress(words[2], words[4], words[1] == "TCP6")
	local, too := proxyAddress(words[3], words[5], words[1] == "TCP6")
	if !ok || !too {
		return p, errProxyHeader
	}
	return proxied{client, local}, nil
}

func proxyAddress(address, port string, six bool) (a netip.AddrPort, ok bool) {
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Is6() != six || ip.Zone() != "" {
		return a, false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || strconv.FormatUint(n, 10) != port {
		return a, false
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), true
}

// readProxyV2 reads what follows the signature, of which head are the first bytes.
func readProxyV2(r io.Reader, head []byte) (p proxied, err error) {
	size := int(binary.BigEndian.Uint16(head[2:]))
	if size > longestProxyV2 || head[0] != proxyV2Local && head[0] != proxyV2Proxied {
		return p, errProxyHeader
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return p, err
	}
	pair := func(n int) (proxied, error) {
		addresses := 2*n + 4
		if size < addresses {
			return p, errProxyHeader
		}
		from, _ := netip.AddrFromSlice(body[:n])
		to, _ := netip.AddrFromSlice(body[n : 2*n])
		ports := body[2*n:]
		return proxied{
			netip.AddrPortFrom(from.Unmap(), binary.BigEndian.Uint16(ports)),
			netip.AddrPortFrom(to.Unmap(), binary.BigEndian.Uint16(ports[2:])),
		}, nil
	}
	switch {
	case head[0] == proxyV2Local, head[1] == proxyV2Unknown:
		return p, nil
	case head[1] == proxyV2TCPIPv4:
		return pair(4)
	case head[1] == proxyV2TCPIPv6:
		return pair(16)
	}
	return p, errProxyHeader
}

// refuseBalancer ends a connection whose PROXY header did not come, or is none.
func (c *clientConn) refuseBalancer(err error) {
	switch {
	case isTimeout(err):
		c.all.metrics.header.Inc()
	case errors.Is(err, errProxyHeader) || errors.Is(err, io.ErrUnexpectedEOF):
		c.all.metrics.proxyHeaders.Inc()
	}
	c.abandon.Store(true) // nothing is said to what speaks another protocol
	_ = c.Close()
}
