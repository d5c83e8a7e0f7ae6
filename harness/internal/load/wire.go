package load

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// TLS says which certificate an https target must show. The client speaks TLS 1.3 alone, and resumes no sessions.
type TLS struct {
	Roots string `json:"roots"` // certificates in PEM, one of which is or signs the target's
	Name  string `json:"name"`  // that the target is asked for (SNI), and that its certificate must have
}

// AtATime is how many requests the attack's connections carry at a time: one each over HTTP/1.1, Streams each over HTTP/2.
func (a *Attack) AtATime() int { return a.Connections * max(a.Streams, 1) }

// validateWire checks how the target is spoken to.
func (a *Attack) validateWire() error {
	if _, err := a.HostPort(); err != nil {
		return fmt.Errorf("target: %w", err)
	}
	secure := strings.HasPrefix(a.Target, "https:")
	switch {
	case secure && (a.TLS == nil || a.TLS.Roots == "" || a.TLS.Name == ""):
		return fmt.Errorf("tls: want roots and name, as the target is %s", a.Target)
	case !secure && a.TLS != nil:
		return fmt.Errorf("tls: is not allowed with the target %s: want https", a.Target)
	case a.Streams < 0 || a.Streams > MaxStreams:
		return fmt.Errorf("streams: %d is not allowed: want 0 to %d", a.Streams, MaxStreams)
	case a.Streams > 0 && !secure:
		return fmt.Errorf("streams: HTTP/2 needs an https target, and this is %s", a.Target)
	case a.Streams > 0 && (a.Reconnect || a.Connections < 1):
		return fmt.Errorf("streams: want 1 connection or more, and no reconnect")
	case a.WebSocket && (secure || a.Reconnect || a.Standby != ""):
		return fmt.Errorf("websocket: want an http target, no reconnect and no standby")
	case a.WebSocket && (len(a.Requests) != 1 || a.Requests[0].Body == "" || !slices.Contains([]string{"", "GET"}, a.Requests[0].Method)):
		return fmt.Errorf("websocket: want one request: a GET whose body is the message")
	case a.Trace && (a.Model != Probes || a.Streams > 0 || a.WebSocket):
		return fmt.Errorf("trace: is not allowed of model %s with streams %d and websocket %t: want probes over HTTP/1.1", a.Model, a.Streams,
			a.WebSocket)
	case a.Standby != "" && secure:
		return fmt.Errorf("standby: is not allowed with an https target")
	}
	return nil
}

// HostPort is the address to dial.
func (a Attack) HostPort() (string, error) { return HostPort(a.Target) }

// HostPort is the host:port of a target, http://host[:port] or https://host[:port].
func HostPort(target string) (string, error) {
	u, err := url.Parse(target)
	if err != nil {
		return "", err
	}
	port, known := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	if !known || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return "", fmt.Errorf("%q is not allowed: want http://host:port or https://host:port", target)
	}
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), port), nil
	}
	return u.Host, nil
}

// AddressHeader names the client to a target that trusts who sends it.
const AddressHeader = "X-Real-IP"

// AppendAddress adds the i-th client address, from 0 to MaxAddresses-1: those of 198.18.0.0/15, which RFC 2544
// reserves for benchmarks.
func AppendAddress(b []byte, i int) []byte {
	b = append(b, "198."...)
	b = strconv.AppendInt(b, int64(18+i>>16), 10)
	b = strconv.AppendInt(append(b, '.'), int64(i>>8&255), 10)
	return strconv.AppendInt(append(b, '.'), int64(i&255), 10)
}

func isAddressHeader(name string) bool { return strings.EqualFold(name, AddressHeader) }
