package scenario

// identity is the key by which the entries of a list in entities are the same
// entity. Other lists have none and are replaced as a whole.
func identity(key string) string {
	switch key {
	case "services", "routes", "upstreams", "plugins":
		return "name"
	case "consumers":
		return "username"
	}
	return ""
}

// merge lays over on base: maps merge deeply, all else is replaced. Values
// keep the place where they were written.
func merge(base, over *node) *node {
	if base == nil || over == nil || base.kind != mapping || over.kind != mapping {
		if over == nil {
			return base
		}
		return over
	}
	return mergeMaps(base, over, func(key string, b, o *node) *node {
		if key == "entities" {
			return mergeEntity(b, o)
		}
		return merge(b, o)
	})
}

// mergeEntity is merge for Kong's entities: services, routes, upstreams and
// consumers that are named again are merged, and a plugin that is named again
// replaces the one before, so that no setting of the old one survives unseen.
func mergeEntity(base, over *node) *node {
	if base.kind != mapping || over.kind != mapping {
		return over
	}
	return mergeMaps(base, over, func(key string, b, o *node) *node {
		id := identity(key)
		switch {
		case id == "" || b.kind != list || o.kind != list:
			return merge(b, o)
		case key == "plugins":
			return mergeList(b, o, id, func(_, o *node) *node { return o })
		default:
			return mergeList(b, o, id, mergeEntity)
		}
	})
}

// mergeMaps keeps base's order and appends what only over has.
func mergeMaps(base, over *node, both func(key string, b, o *node) *node) *node {
	out := &node{kind: mapping, at: over.at}
	for _, e := range base.entries {
		if o := over.field(e.key); o != nil {
			e.value = both(e.key, e.value, o)
		}
		out.entries = append(out.entries, e)
	}
	for _, e := range over.entries {
		if base.field(e.key) == nil {
			out.entries = append(out.entries, e)
		}
	}
	return out
}

// mergeList is mergeMaps for lists of maps that have a name.
func mergeList(base, over *node, id string, both func(b, o *node) *node) *node {
	out := &node{kind: list, at: over.at, items: append([]*node(nil), base.items...)}
	index := make(map[string]int, len(out.items))
	for i, b := range out.items {
		if name, ok := nameOf(b, id); ok {
			index[name] = i
		}
	}
	for _, o := range over.items {
		name, ok := nameOf(o, id)
		i, known := index[name]
		if ok && known {
			out.items[i] = both(out.items[i], o)
			continue
		}
		out.items = append(out.items, o)
	}
	return out
}

func nameOf(n *node, id string) (string, bool) {
	f := n.field(id)
	if f == nil {
		return "", false
	}
	return f.scalar()
}
