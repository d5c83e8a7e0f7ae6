package proxy

import "github.com/prometheus/client_golang/prometheus"

// clientMetrics are about the clients' connections.
type clientMetrics struct {
	idle, header, body, write prometheus.Counter // ended by a limit
	refused, evicted          prometheus.Counter
	acceptErrors              prometheus.Counter
	proxyHeaders              prometheus.Counter // malformed
	tls                       tlsMetrics
}

func newClientMetrics(reg prometheus.Registerer, a *clients) *clientMetrics {
	timeouts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_client_timeouts_total", Help: "Client connections ended by a time limit, by what was waited for.",
	}, []string{"waiting_for"})
	open := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "gateway_client_connections", Help: "Open client connections."},
		func() float64 { return float64(a.open.Load()) })
	parked := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gateway_client_connections_parked", Help: "Open client connections that wait for a request and hold no buffers.",
	}, func() float64 { return float64(a.parked.Load()) })
	m := &clientMetrics{
		idle: timeouts.WithLabelValues("request"), header: timeouts.WithLabelValues("header"),
		body: timeouts.WithLabelValues("body"), write: timeouts.WithLabelValues("write"),
		refused: newCounter("gateway_client_connections_refused_total",
			"Client connections answered 503: max_connections were open."),
		evicted: newCounter("gateway_client_connections_evicted_total",
			"Idle client connections closed to make room for new ones."),
		acceptErrors: newCounter("gateway_client_accept_errors_total",
			"Connections that could not be accepted, for want of file descriptors as a rule."),
		proxyHeaders: newCounter("gateway_client_proxy_protocol_errors_total",
			"Connections closed because their balancer did not begin them with a well-formed header of the PROXY protocol."),
	}
	m.tls = newTLSMetrics(reg)
	if reg != nil {
		reg.MustRegister(timeouts, open, parked, m.refused, m.evicted, m.acceptErrors, m.proxyHeaders)
	}
	return m
}

// tunnelMetrics are about tunnels.
type tunnelMetrics struct {
	open                 prometheus.Gauge
	opened               prometheus.Counter
	toClient, toUpstream prometheus.Counter
}

func newTunnelMetrics(reg prometheus.Registerer) *tunnelMetrics {
	bytes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_tunnel_bytes_total", Help: "Bytes passed through tunnels (after 101), by direction.",
	}, []string{"to"})
	m := &tunnelMetrics{
		open:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "gateway_tunnels", Help: "Open tunnels (after 101)."}),
		opened:   newCounter("gateway_tunnels_total", "Tunnels opened (after 101)."),
		toClient: bytes.WithLabelValues("client"), toUpstream: bytes.WithLabelValues("upstream"),
	}
	if reg != nil {
		reg.MustRegister(bytes, m.open, m.opened)
	}
	return m
}

func newCounter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}
