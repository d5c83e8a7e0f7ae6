// Package dnstest is a name server on loopback for tests.
package dnstest

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// Record is one of a name: an address, or where a service is.
type Record struct {
	Address                string // A or AAAA; "": SRV
	Host                   string
	Port, Priority, Weight uint16
	TTL                    uint32
}

// Server answers by UDP and TCP for names that Set tells, and that no name exists
// otherwise.
type Server struct {
	Address string // host:port

	mu       sync.Mutex
	names    map[string][]Record
	asked    map[string]int // "TYPE name"
	code     dnsmessage.RCode
	truncate bool
}

// Start starts a server, which ends with the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{names: map[string][]Record{}, asked: map[string]int{}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s.Address = ln.Addr().String()
	packets, err := net.ListenPacket("udp", s.Address)
	if err != nil {
		tb.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { s.serveUDP(packets) })
	wg.Go(func() { s.serveTCP(ln) })
	tb.Cleanup(func() {
		_, _ = ln.Close(), packets.Close()
		wg.Wait()
	})
	return s
}

// Set makes records all that a name has; none: it does not exist.
func (s *Server) Set(name string, records ...Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[name] = records
}

// Fail has all questions answered with SERVFAIL, or no longer.
func (s *Server) Fail(fails bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.code = dnsmessage.RCodeSuccess
	if fails {
		s.code = dnsmessage.RCodeServerFailure
	}
}

// Truncate has all answers by UDP cut off, so that they are asked for by TCP.
func (s *Server) Truncate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.truncate = true
}

// Asked is how often a question ("A name") has come.
func (s *Server) Asked(question string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[question]
}

func (s *Server) serveUDP(c net.PacketConn) {
	b := make([]byte, 4096)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		if answer := s.answer(b[:n], true); answer != nil {
			_, _ = c.WriteTo(answer, from)
		}
	}
}

func (s *Server) serveTCP(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		var length [2]byte
		if _, err := io.ReadFull(c, length[:]); err == nil {
			query := make([]byte, binary.BigEndian.Uint16(length[:]))
			if _, err := io.ReadFull(c, query); err == nil {
				answer := s.answer(query, false)
				_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)) //nolint:gosec // a short one
			}
		}
		_ = c.Close()
	}
}

func (s *Server) answer(query []byte, udp bool) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(query)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	name := strings.TrimSuffix(strings.ToLower(q.Name.String()), ".")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[strings.TrimPrefix(q.Type.String(), "Type")+" "+name]++
	records, code := s.names[name], s.code
	if code == dnsmessage.RCodeSuccess && len(records) == 0 {
		code = dnsmessage.RCodeNameError
	}
	cut := s.truncate && udp
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{
		ID: h.ID, Response: true, RecursionDesired: h.RecursionDesired, RecursionAvailable: true, RCode: code, Truncated: cut,
	})
	if b.StartQuestions() != nil || b.Question(q) != nil || b.StartAnswers() != nil {
		return nil
	}
	for _, r := range records {
		if code == dnsmessage.RCodeSuccess && !cut {
			add(&b, q, r)
		}
	}
	out, err := b.Finish()
	if err != nil {
		return nil
	}
	return out
}

// add adds a record, if it is of the type that is asked for.
func add(b *dnsmessage.Builder, q dnsmessage.Question, r Record) {
	h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: r.TTL}
	address, err := netip.ParseAddr(r.Address)
	switch {
	case err != nil && q.Type == dnsmessage.TypeSRV:
		_ = b.SRVResource(h, dnsmessage.SRVResource{
			Target: dnsmessage.MustNewName(r.Host + "."), Port: r.Port, Priority: r.Priority, Weight: r.Weight,
		})
	case err == nil && address.Is4() && q.Type == dnsmessage.TypeA:
		_ = b.AResource(h, dnsmessage.AResource{A: address.As4()})
	case err == nil && address.Is6() && q.Type == dnsmessage.TypeAAAA:
		_ = b.AAAAResource(h, dnsmessage.AAAAResource{AAAA: address.As16()})
	}
}
