package dns

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/dns/dnstest"
)

// TestLookup asks a name server on loopback, by UDP and by TCP.
func TestLookup(t *testing.T) {
	for _, tt := range []struct {
		name, last string
		order      []string
		valid      time.Duration
		tcp        bool
		want       string
	}{
		{name: "plain.test.", want: "[10.0.0.1 10.0.0.2] [] A 7s"},
		{name: "plain.test.", tcp: true, want: "[10.0.0.1 10.0.0.2] [] A 7s"},
		{name: "plain.test.", valid: time.Minute, want: "[10.0.0.1 10.0.0.2] [] A 1m0s"},
		{name: "zero.test.", want: "[10.0.0.3] [] A 1s"},
		{name: "six.test.", want: "[fd00::1] [] AAAA 9s"},
		{name: "_http._tcp.test.", want: "[] [{a.test 81 10} {b.test 82 30}] SRV 5s"},
		{name: "_http._tcp.test.", tcp: true, want: "[] [{a.test 81 10} {b.test 82 30}] SRV 5s"},
		{name: "both.test.", want: "[10.0.0.4] [] A 8s"},
		{name: "both.test.", last: SRV, want: "[] [{a.test 83 1}] SRV 6s"},
		{name: "both.test.", order: []string{Last, SRV, A, CNAME}, want: "[] [{a.test 83 1}] SRV 6s"},
		{name: "both.test.", last: A, order: []string{Last, SRV, A, CNAME}, want: "[10.0.0.4] [] A 8s"},
		{name: "_http._tcp.test.", order: []string{A, AAAA}, want: "error"},
		{name: "none.test.", want: "error"},
		{name: "localhost", want: "[127.0.0.1] [] A 0s"},
	} {
		t.Run(fmt.Sprint(tt.name, tt.order, tt.last, tt.tcp, tt.valid), func(t *testing.T) {
			s := dnstest.Start(t)
			if tt.tcp {
				s.Truncate()
			}
			s.Set("plain.test", dnstest.Record{Address: "10.0.0.1", TTL: 30}, dnstest.Record{Address: "10.0.0.2", TTL: 7})
			s.Set("zero.test", dnstest.Record{Address: "10.0.0.3"})
			s.Set("six.test", dnstest.Record{Address: "fd00::1", TTL: 9})
			s.Set("both.test", dnstest.Record{Address: "10.0.0.4", TTL: 8}, dnstest.Record{Host: "a.test", Port: 83, Weight: 1, TTL: 6})
			s.Set("_http._tcp.test",
				dnstest.Record{Host: "b.test", Port: 82, Weight: 30, Priority: 1, TTL: 5},
				dnstest.Record{Host: "a.test", Port: 81, Weight: 10, Priority: 1, TTL: 50},
				dnstest.Record{Host: "spare.test", Port: 81, Weight: 99, Priority: 2, TTL: 50})
			r := New(Config{Servers: []string{s.Address}, Order: tt.order, Valid: tt.valid})
			a, err := r.Lookup(t.Context(), tt.name, tt.last)
			got := fmt.Sprintf("%v %v %s %v", a.Addresses, a.Services, a.Type, a.TTL)
			if err != nil {
				got = "error"
			}
			if got != tt.want {
				t.Errorf("got %s (%v), want %s", got, err, tt.want)
			}
		})
	}
}

// TestSERVFAILForOneType does not keep another from being asked for.
func TestSERVFAILForOneType(t *testing.T) {
	s := dnstest.Start(t)
	s.Fail(true)
	r := New(Config{Servers: []string{s.Address}})
	if _, err := r.Lookup(t.Context(), "a.test.", ""); err == nil {
		t.Error("there is an answer")
	}
	if s.Asked("A a.test") == 0 || s.Asked("SRV a.test") == 0 {
		t.Error("only one type was asked for")
	}
}

// FuzzHear: what comes from a name server is not trusted.
func FuzzHear(f *testing.F) {
	f.Add([]byte("\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" +
		"\x01a\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x07\x00\x04\x0a\x00\x00\x01"))
	f.Add([]byte("\x12\x34\x81\x80\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, message []byte) {
		e := &ear{}
		e.hear(message, 0x1234)
		if ttl := e.ttl(); ttl < 0 || ttl > 0 && ttl < time.Second {
			t.Errorf("a TTL of %v", ttl)
		}
	})
}
