package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
)

// tlsMetrics are about the handshakes of clients.
type tlsMetrics struct {
	handshakes *prometheus.CounterVec
	failures   *prometheus.CounterVec
}

// Why a handshake failed.
const (
	handshakeTimeout = "timeout"
	handshakeLeft    = "client_left"
	handshakePlain   = "plain_http"
	handshakeOther   = "tls"
)

func newTLSMetrics(reg prometheus.Registerer) tlsMetrics {
	m := tlsMetrics{
		handshakes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_client_tls_handshakes_total",
			Help: "TLS handshakes with clients, by version and by whether an earlier session was resumed.",
		}, []string{"version", "resumed"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_client_tls_handshake_failures_total", Help: "TLS handshakes with clients that failed, by reason.",
		}, []string{"reason"}),
	}
	for _, reason := range []string{handshakeTimeout, handshakeLeft, handshakePlain, handshakeOther} {
		m.failures.WithLabelValues(reason)
	}
	if reg != nil {
		reg.MustRegister(m.handshakes, m.failures)
	}
	return m
}

func (m *clientMetrics) handshakeMade(s *tls.ConnectionState) {
	m.tls.handshakes.WithLabelValues(tlsVersion(s.Version), strconv.FormatBool(s.DidResume)).Inc()
}

func (m *clientMetrics) handshakeFailed(err error) {
	reason := handshakeOther
	switch {
	case isTimeout(err):
		reason = handshakeTimeout
	case errors.Is(err, errPlain):
		reason = handshakePlain
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, syscall.ECONNRESET):
		reason = handshakeLeft
	}
	m.tls.failures.WithLabelValues(reason).Inc()
}
