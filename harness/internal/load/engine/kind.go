package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/gorilla/websocket"

	"github.com/gatelab/gatelab/harness/internal/load"
)

// errMalformed marks a response that is not HTTP/1.1.
var errMalformed = errors.New("malformed response")

// kindOf names why a request got no response.
func kindOf(err error) string {
	var dns *net.DNSError
	var closed *websocket.CloseError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return load.KindRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		return load.KindReset
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return load.KindNoPort
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return load.KindNoFiles
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return load.KindNoRoute
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return load.KindTimeout
	case errors.As(err, &dns) && !dns.IsTimeout:
		return load.KindDNS
	case errors.Is(err, errHandshake):
		return load.KindTLS
	case errors.Is(err, errMalformed):
		return load.KindMalformed
	case errors.Is(err, errMismatch):
		return load.KindMismatch
	case errors.As(err, &closed):
		return load.KindEOF
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return load.KindEOF
	case errors.As(err, &timeout) && timeout.Timeout():
		return load.KindTimeout
	}
	return load.KindOther
}
