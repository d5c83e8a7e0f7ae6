package route

import "strings"

// tree is a radix tree of paths: what has to begin a request's path for an
// entry to be worth looking at. Entries without a path are at the root.
type tree struct {
	root  node
	begun bool
}

// node stands for one beginning of paths. label is what it adds to its
// parent's. first is the lowest order in the node and below it.
type node struct {
	label    string
	first    int32
	entries  []*entry
	heads    []byte // first byte of each child's label
	children []*node
}

// insert must be called in ascending order of entries.
func (t *tree) insert(e *entry) {
	if !t.begun {
		t.begun, t.root.first = true, e.order
	}
	key := e.path
	if e.regex != nil {
		key = e.regex.literal
	}
	n := t.root.grow(key, e.order)
	if len(n.entries) > 0 && n.entries[len(n.entries)-1] == e {
		return // two hosts of the route that mean the same
	}
	n.entries = append(n.entries, e)
}

// grow returns the node for key below n, and makes it where it is missing.
// Orders ascend, so what is there already has the lower ones.
func (n *node) grow(key string, order int32) *node {
	if key == "" {
		return n
	}
	i := n.child(key[0])
	if i < 0 {
		c := &node{label: key, first: order}
		n.heads, n.children = append(n.heads, key[0]), append(n.children, c)
		return c
	}
	c := n.children[i]
	common := 0
	for common < len(key) && common < len(c.label) && key[common] == c.label[common] {
		common++
	}
	if common < len(c.label) { // split the child in two
		mid := &node{label: c.label[:common], first: c.first, heads: []byte{c.label[common]}, children: []*node{c}}
		c.label = c.label[common:]
		n.children[i] = mid
		c = mid
	}
	return c.grow(key[common:], order)
}

func (n *node) child(head byte) int {
	for i, h := range n.heads {
		if h == head {
			return i
		}
	}
	return -1
}

// next goes one node down along path; nil where the tree ends. rest is what
// of path lies below that node.
func (n *node) next(path string) (below *node, rest string) {
	if path == "" {
		return nil, ""
	}
	i := n.child(path[0])
	if i < 0 || !strings.HasPrefix(path, n.children[i].label) {
		return nil, ""
	}
	c := n.children[i]
	return c, path[len(c.label):]
}
