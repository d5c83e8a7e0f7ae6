package entity

// Healthchecks are an upstream's health checks. A count of 0 switches that
// count off, an interval of 0 those probes. Intervals and time-outs are
// seconds, the threshold is a percentage of the targets' weight.
type Healthchecks struct {
	Active    ActiveCheck  `json:"active"`
	Passive   PassiveCheck `json:"passive"`
	Threshold float64      `json:"threshold"`
}

// ActiveCheck probes targets.
type ActiveCheck struct {
	Type                   string              `json:"type"`
	Timeout                float64             `json:"timeout"`
	Concurrency            int                 `json:"concurrency"`
	HTTPPath               string              `json:"http_path"`
	HTTPSSNI               string              `json:"https_sni"`
	HTTPSVerifyCertificate bool                `json:"https_verify_certificate"`
	Headers                map[string][]string `json:"headers"`
	Healthy                HealthySigns        `json:"healthy"`
	Unhealthy              UnhealthySigns      `json:"unhealthy"`
}

// PassiveCheck judges targets by the traffic they get.
type PassiveCheck struct {
	Type      string         `json:"type"`
	Healthy   HealthySigns   `json:"healthy"`
	Unhealthy UnhealthySigns `json:"unhealthy"`
}

// HealthySigns say when a target is healthy.
type HealthySigns struct {
	Interval     float64 `json:"interval"` // of active checks
	HTTPStatuses []int   `json:"http_statuses"`
	Successes    int     `json:"successes"`
}

// UnhealthySigns say when a target is not.
type UnhealthySigns struct {
	Interval     float64 `json:"interval"` // of active checks
	HTTPStatuses []int   `json:"http_statuses"`
	TCPFailures  int     `json:"tcp_failures"`
	Timeouts     int     `json:"timeouts"`
	HTTPFailures int     `json:"http_failures"`
}

// On tells whether any check is configured: all of Kong's defaults are 0.
func (h *Healthchecks) On() bool {
	p := &h.Passive
	return h.Active.Healthy.Interval > 0 || h.Active.Unhealthy.Interval > 0 || p.Healthy.Successes > 0 ||
		p.Unhealthy.TCPFailures > 0 || p.Unhealthy.Timeouts > 0 || p.Unhealthy.HTTPFailures > 0
}
