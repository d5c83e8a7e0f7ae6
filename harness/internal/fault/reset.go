package fault

// KindReset resets the connections on a link.
const KindReset = "reset"

func reset(Spec) toxic {
	return toxic{
		Type: "reset_peer", Attributes: map[string]int{"timeout": 0},
		seen: func(p, _ probe) bool { return p.bytes == 0 },
	}
}
