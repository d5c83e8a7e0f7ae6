package upstream

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// tlsPeer is the server's side of a TLS 1.3 connection on which tests can send
// records that crypto/tls does not send by itself.
type tlsPeer struct {
	*tls.Conn
	wire   *countedConn
	keylog bytes.Buffer
	secret []byte // of the server's records, after an update
}

// countedConn counts the TLS records that are written.
type countedConn struct {
	net.Conn
	seen  records
	count uint64
}

func (c *countedConn) Write(b []byte) (int, error) {
	for i := range b {
		before := c.seen.have
		c.seen.pass(b[i : i+1])
		if before == 4 && c.seen.have == 0 {
			c.count++
		}
	}
	return c.Conn.Write(b)
}

func acceptTLS(t *testing.T, c net.Conn, certificate tls.Certificate) *tlsPeer {
	p := &tlsPeer{wire: &countedConn{Conn: c}}
	p.Conn = tls.Server(p.wire, &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true,
		KeyLogWriter: &p.keylog,
	})
	if err := p.Handshake(); err != nil {
		t.Error(err)
	}
	p.wire.count = 0
	return p
}

// record encrypts a message as the server's next record.
func (p *tlsPeer) record(t *testing.T, kind byte, message []byte) []byte {
	t.Helper()
	secret := p.secret
	for line := range strings.Lines(p.keylog.String()) {
		if rest, ok := strings.CutPrefix(line, "SERVER_TRAFFIC_SECRET_0 "); ok && p.secret == nil {
			secret, _ = hex.DecodeString(strings.Fields(rest)[1])
		}
	}
	digest, size := sha256.New, 16
	switch p.ConnectionState().CipherSuite {
	case tls.TLS_AES_256_GCM_SHA384:
		digest, size = sha512.New384, 32
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		t.Fatal("crypto/tls prefers ChaCha20 here: the test needs a machine with AES instructions")
	}
	expand := func(label string, n int) []byte {
		label = "tls13 " + label
		info := append([]byte{byte(n >> 8), byte(n), byte(len(label))}, label...)
		key, err := hkdf.Expand(func() hash.Hash { return digest() }, secret, string(append(info, 0)), n)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	block, err := aes.NewCipher(expand("key", size))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	nonce := expand("iv", 12)
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], p.wire.count)
	p.wire.count++
	for i, b := range number {
		nonce[4+i] ^= b
	}
	if bytes.Equal(message, keyUpdate) {
		defer func() { p.secret, p.wire.count = expand("traffic upd", digest().Size()), 0 }()
	}
	plain := append(append([]byte(nil), message...), kind)
	n := len(plain) + aead.Overhead()
	head := []byte{23, 3, 3, byte(n >> 8), byte(n)}
	return aead.Seal(head, nonce, plain, head)
}

// keyUpdate asks the peer to change its keys, too.
var keyUpdate = []byte{24, 0, 0, 1, 1}

// sessionTicket is a NewSessionTicket message.
func sessionTicket() []byte {
	body := []byte{0, 0, 14, 16, 1, 2, 3, 4, 1, 0, 0, 8, 't', 'i', 'c', 'k', 'e', 't', '!', '!', 0, 0}
	return append([]byte{4, 0, 0, byte(len(body))}, body...)
}

const (
	handshakeRecord = 22
	dataRecord      = 23
)

func TestAKeptTLSConnectionIsReadThroughItsRecords(t *testing.T) {
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	defer certificate.Close()
	for _, c := range []struct {
		name        string
		send        func(p *tlsPeer) error
		connections int
		unsolicited float64
	}{
		{name: "nothing", send: func(*tlsPeer) error { return nil }, connections: 1},
		{name: "a session ticket", send: func(p *tlsPeer) error {
			_, err := p.wire.Conn.Write(p.record(t, handshakeRecord, sessionTicket()))
			return err
		}, connections: 1},
		{name: "two session tickets", send: func(p *tlsPeer) error {
			_, err := p.wire.Conn.Write(append(p.record(t, handshakeRecord, sessionTicket()), p.record(t, handshakeRecord, sessionTicket())...))
			return err
		}, connections: 1},
		{name: "a ticket and an answer", send: func(p *tlsPeer) error {
			_, err := p.wire.Conn.Write(append(p.record(t, handshakeRecord, sessionTicket()), p.record(t, dataRecord, []byte(poison))...))
			return err
		}, connections: 10, unsolicited: 1},
		{name: "an answer", send: func(p *tlsPeer) error {
			_, err := p.wire.Conn.Write(p.record(t, dataRecord, []byte(poison)))
			return err
		}, connections: 10, unsolicited: 1},
		{name: "a part of a record", send: func(p *tlsPeer) error {
			_, err := p.wire.Conn.Write(p.record(t, dataRecord, []byte(poison))[:20])
			return err
		}, connections: 10, unsolicited: 1},
		{name: "a part of a record's header", send: func(p *tlsPeer) error {
			_, err := p.wire.Conn.Write(p.record(t, dataRecord, []byte(poison))[:3])
			return err
		}, connections: 10, unsolicited: 1},
		{name: "close_notify", send: func(p *tlsPeer) error { return p.CloseWrite() }, connections: 2},
		{name: "an end without close_notify", send: func(p *tlsPeer) error { return p.wire.Conn.(*net.TCPConn).CloseWrite() },
			connections: 2},
		{name: "a record that is none",
			send:        func(p *tlsPeer) error { _, err := p.wire.Conn.Write([]byte("HTTP/1.1 200 OK\r\n\r\n")); return err },
			connections: 2},
		{name: "a request for new keys", send: func(p *tlsPeer) error {
			_, err := p.wire.Conn.Write(p.record(t, handshakeRecord, keyUpdate))
			return err
		}, connections: 1},
	} { // a target that talks unasked gets a connection for each request
		t.Run(c.name, func(t *testing.T) {
			idle := make(chan error, 1)
			var mu sync.Mutex
			number := 0
			url, connections := listen(t, func(conn net.Conn) {
				p := acceptTLS(t, conn, certificate.TLS.Certificates[0])
				mu.Lock()
				number++
				first := number == 1
				mu.Unlock()
				br := bufio.NewReader(p)
				for i := 0; ; i++ {
					r, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					id := r.Header.Get("X-Id")
					// All of them past crypto/tls, which would count the records otherwise.
					answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(id), id)
					_, _ = p.wire.Conn.Write(p.record(t, dataRecord, []byte(answer)))
					if first && i == 0 {
						idle <- c.send(p)
					}
				}
			})
			p := newPools(t, Config{KeepaliveIdle: time.Hour})
			b := serviceAt(t, p, strings.Replace(url, "http:", "https:", 1))
			for i := range 10 {
				call := newCall(b)
				id := fmt.Sprint("client-", i)
				call.Request.Header.Set("X-Id", id)
				if err := p.Do(call); err != nil {
					t.Fatalf("client %d: %v", i, err)
				}
				if got := string(call.Response.Body()); got != id {
					t.Fatalf("client %d got %q", i, got)
				}
				if i == 0 {
					select {
					case err := <-idle:
						if err != nil {
							t.Fatal(err)
						}
					case <-time.After(10 * time.Second):
						t.Fatal("the origin sent nothing")
					}
				}
			}
			if n := connections.Load(); n != int64(c.connections) {
				t.Errorf("%d connections, want %d", n, c.connections)
			}
			if n := testutil.ToFloat64(p.metrics.unsolicited[whenIdle]); n != c.unsolicited {
				t.Errorf("%v connections are counted", n)
			}
		})
	}
}
