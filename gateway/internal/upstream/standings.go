package upstream

// Upstreams are the ids of the upstreams that have targets in this process, and
// their names.
func (p *Pools) Upstreams() map[string]string {
	out := map[string]string{}
	p.each(func(t *Target) {
		if t.upstream != "" {
			out[t.upstream] = t.label
		}
	})
	return out
}
