package dns

import (
	"encoding/binary"
	"net"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// ear hears the answers of name servers, of which Go's resolver passes on everything
// but the time to live.
type ear struct {
	mu    sync.Mutex
	least uint32
	heard bool
}

// ttl is the least of what was heard, of one second at least: a record of 0 would be
// asked for with every connection. 0: nothing was heard.
func (e *ear) ttl() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.heard {
		return 0
	}
	return max(time.Duration(e.least)*time.Second, time.Second)
}

// hear notes the times of the records of one message, if it answers the query of that id.
func (e *ear) hear(message []byte, id uint16) {
	var p dnsmessage.Parser
	h, err := p.Start(message)
	if err != nil || h.ID != id || !h.Response || h.RCode != dnsmessage.RCodeSuccess || p.SkipAllQuestions() != nil {
		return
	}
	for {
		r, err := p.AnswerHeader()
		if err != nil || p.SkipAnswer() != nil {
			return
		}
		e.mu.Lock()
		if !e.heard || r.TTL < e.least {
			e.least, e.heard = r.TTL, true
		}
		e.mu.Unlock()
	}
}

// listen puts an ear on a connection. What is a net.PacketConn stays one: the resolver
// knows UDP by that.
func (e *ear) listen(c net.Conn) net.Conn {
	if udp, ok := c.(*net.UDPConn); ok {
		return &packets{UDPConn: udp, ear: e}
	}
	return &bytestream{Conn: c, ear: e}
}

// packets is a connection by UDP: a message is a read. One goroutine uses it.
type packets struct {
	*net.UDPConn
	ear *ear
	id  uint16
}

func (p *packets) Write(b []byte) (int, error) {
	p.id = idOf(b)
	return p.UDPConn.Write(b)
}

func (p *packets) Read(b []byte) (int, error) {
	n, err := p.UDPConn.Read(b)
	if err == nil {
		p.ear.hear(b[:n], p.id)
	}
	return n, err
}

// bytestream is a connection by TCP: a message follows its length. One goroutine uses it.
type bytestream struct {
	net.Conn
	ear *ear
	id  uint16
	got []byte
}

const lengthBytes = 2 // before each message

func (s *bytestream) Write(b []byte) (int, error) {
	if len(b) > lengthBytes {
		s.id = idOf(b[lengthBytes:])
	}
	return s.Conn.Write(b)
}

func (s *bytestream) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	s.got = append(s.got, b[:n]...)
	for len(s.got) >= lengthBytes {
		whole := lengthBytes + int(binary.BigEndian.Uint16(s.got))
		if len(s.got) < whole {
			break
		}
		s.ear.hear(s.got[lengthBytes:whole], s.id)
		s.got = s.got[whole:]
	}
	return n, err
}

func idOf(query []byte) uint16 {
	if len(query) < 2 {
		return 0
	}
	return binary.BigEndian.Uint16(query)
}
