package ratelimiting

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/route"
)

// maxLimitKey is how long a client's own words may be as a key; longer ones
// are kept as a digest, so that long headers cannot fill the memory.
const maxLimitKey = 128

// identifier says whose requests are counted together.
type identifier struct {
	by     string // consumer, credential, ip, service, header, path
	header string
	path   string
	bits   int // of an IPv6 address that count
}

// newIdentifier checks what a plugin asks for. There are no consumer groups
// here, so that each consumer is a group of its own.
func newIdentifier(by, header, path string) (identifier, error) {
	if by == "consumer-group" {
		by = "consumer"
	}
	id := identifier{by: by, header: header, path: path, bits: plugin.WholeAddress}
	switch by {
	case "consumer", "credential", "ip", "service":
	case "header":
		if header == "" {
			return id, fmt.Errorf("limit by header: header_name is missing")
		}
	case "path":
		if path == "" {
			return id, fmt.Errorf("limit by path: path is missing")
		}
		id.path = route.Normalize(path)
	default:
		return id, fmt.Errorf("limit by %q: want consumer, credential, ip, service, header or path", by)
	}
	return id, nil
}

// key gives what the request is counted under: what was asked for, or else
// (known false) the client's IP address. The string may be a view of the
// request's buffers.
func (id identifier) key(x *plugin.Exchange) (key string, known bool) {
	switch id.by {
	case "ip":
		return plugin.Network(x.ClientIP, id.bits), true
	case "consumer":
		if x.Consumer != nil {
			return x.Consumer.ID, true
		}
		key = x.CredentialID
	case "credential":
		key = x.CredentialID
	case "service":
		if x.Service != nil {
			return x.Service.ID, true
		}
	case "header":
		key = plugin.View(x.Ctx.Request.Header.Peek(id.header))
	case "path":
		// In the form that routes are matched in: another spelling is the same.
		if route.Normalize(pathOf(x)) == id.path {
			key = id.path
		}
	}
	if key == "" {
		return plugin.Network(x.ClientIP, id.bits), false
	}
	if len(key) > maxLimitKey {
		sum := sha256.Sum256([]byte(key))
		key = hex.EncodeToString(sum[:])
	}
	return key, true
}

// pathOf is the path of a request as it was asked for, a view of the request's
// buffers.
func pathOf(x *plugin.Exchange) string {
	path, _, _ := bytes.Cut(x.Ctx.RequestURI(), []byte{'?'})
	return plugin.View(path)
}
