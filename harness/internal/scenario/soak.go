package scenario

func (d *decoder) soak(path string, n *node, out *Soak) {
	*out = Soak{On: true, Memory: 0.1, Goroutines: 0.1, Latency: 0.2}
	d.object(path, n, fields{
		"memory":     d.number(&out.Memory, 100),
		"goroutines": d.number(&out.Goroutines, 100),
		"latency":    d.number(&out.Latency, 100),
	})
}

// checkSoak: a soak is an open attack at a rate that stays.
func (d *decoder) checkSoak(n *node, s *Stage) {
	at := n.field("soak")
	o := s.Load.Open
	switch {
	case at == nil || !s.Soak.On:
	case o.Duration == 0:
		d.wrong(at, "soak", "a soak without an open attack is not allowed: want load.open, of ten minutes or more")
	case len(o.Shape) > 0:
		d.wrong(at, "soak", "a shape is not allowed beside a soak: a rate that changes makes memory and latency change")
	}
}
