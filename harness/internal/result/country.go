package result

// Country is what the clients of one country met without the edge and with it,
// at the same rate. Latency is corrected, of successes, open loop.
type Country struct {
	Name       string   `json:"name"`
	Code       string   `json:"code"` // ISO 3166-1, as the edge sees it
	OfferedQPS *float64 `json:"offered_qps,omitempty"`
	// Delays of the links, one way: client to balancer, client to edge, edge to
	// balancer.
	DirectLinkMS float64 `json:"direct_link_ms"`
	NearLinkMS   float64 `json:"near_link_ms"`
	OriginLinkMS float64 `json:"origin_link_ms"`

	DirectMS        *Latency          `json:"direct_ms,omitempty"`
	EdgeMS          *Latency          `json:"edge_ms,omitempty"`
	DirectErrorRate *float64          `json:"direct_error_rate,omitempty"` // 0 to 1
	EdgeErrorRate   *float64          `json:"edge_error_rate,omitempty"`   // 0 to 1
	EdgeCache       map[string]uint64 `json:"edge_cache,omitempty"`        // answers by X-Edge-Cache: HIT, MISS, STALE, BYPASS
	HitRatio        *float64          `json:"hit_ratio,omitempty"`         // answered by the edge itself, of all requests; 0 to 1
	Published       *CountryPublished `json:"published,omitempty"`
}

// CountryPublished are the published figures of a country.
type CountryPublished struct {
	DirectMS *float64 `json:"direct_ms,omitempty"`
	EdgeMS   *float64 `json:"edge_ms,omitempty"`
	HitRatio *float64 `json:"hit_ratio,omitempty"`
}
