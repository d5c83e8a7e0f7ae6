package scenario

// defaultSample is Kong's tracing_sampling_rate.
const defaultSample = 0.01

// pluginTracing is the plugin that a tracing gives the gateways.
const pluginTracing = "opentelemetry"

func (d *decoder) tracing(path string, n *node, out *Tracing) {
	*out = Tracing{On: true, Sample: defaultSample}
	d.object(path, n, fields{"sample": d.number(&out.Sample, 1)})
}

// checkTracing: a gateway has one plugin of a name for all services.
func (d *decoder) checkTracing(n *node, s *Stage) {
	at := n.field("topology").field("tracing")
	if at == nil || !s.Topology.Tracing.On {
		return
	}
	plugins, _ := s.Entities["plugins"].([]any)
	for _, p := range plugins {
		if one, ok := p.(map[string]any); ok && one["name"] == pluginTracing {
			d.wrong(at, "topology.tracing", "a plugin %s in entities.plugins is not allowed beside it: want one of the two,"+
				" or the plugin at a service or route", pluginTracing)
		}
	}
}
