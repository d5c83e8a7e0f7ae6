package load

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// errMalformed marks an answer that is not HTTP/1.1.
var errMalformed = errors.New("malformed answer")

// kindOf names why a request got no answer.
func kindOf(err error) string {
	var dns *net.DNSError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return KindRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		return KindReset
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return KindNoPort
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return KindNoFiles
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return KindNoRoute
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return KindTimeout
	case errors.As(err, &dns) && !dns.IsTimeout:
		return KindDNS
	case errors.Is(err, errMalformed):
		return KindMalformed
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return KindEOF
	case errors.As(err, &timeout) && timeout.Timeout():
		return KindTimeout
	}
	return KindOther
}
