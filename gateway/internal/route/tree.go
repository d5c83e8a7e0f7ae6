package route

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

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
	first    int64
	entries  []*entry
	heads    []byte // first byte of each child's label
	children []*node
}

// insert must be called in ascending order of entries.
func (t *tree) insert(e *entry) {
	if !t.begun {
		t.begun, t.root.first = true, e.order
	}
	n := t.root.grow(e.key(), e.order)
	if len(n.entries) > 0 && n.entries[len(n.entries)-1] == e {
		return // two hosts of the route that mean the same
	}
	n.entries = append(n.entries, e)
}

// grow returns the node for key below n, and makes it where it is missing.
// Orders ascend, so what is there already has the lower ones.
func (n *node) grow(key string, order int64) *node {
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

// with returns a copy of the tree below n with an entry at key; n stays as it is, and
// what is not on the way to key is shared.
func (n *node) with(key string, e *entry) *node {
	c := *n
	if c.first = min(n.first, e.order); len(n.entries)+len(n.children) == 0 {
		c.first = e.order
	}
	if key == "" {
		i, there := slices.BinarySearchFunc(n.entries, e, byOrder)
		if !there { // else it is one of two hosts of the route that mean the same
			c.entries = slices.Insert(slices.Clone(n.entries), i, e)
		}
		return &c
	}
	i := n.child(key[0])
	if i < 0 {
		leaf := &node{label: key, first: e.order, entries: []*entry{e}}
		c.heads, c.children = append(slices.Clone(n.heads), key[0]), append(slices.Clone(n.children), leaf)
		return &c
	}
	child := n.children[i]
	common := 0
	for common < len(key) && common < len(child.label) && key[common] == child.label[common] {
		common++
	}
	if common < len(child.label) { // split the child in two
		below := *child
		below.label = child.label[common:]
		child = &node{label: child.label[:common], first: child.first, heads: []byte{below.label[0]}, children: []*node{&below}}
	}
	c.children = slices.Clone(n.children)
	c.children[i] = child.with(key[common:], e)
	return &c
}

// without returns a copy of the tree below n without an entry at key.
func (n *node) without(key string, e *entry) *node {
	c := *n
	if key == "" {
		c.entries = slices.DeleteFunc(slices.Clone(n.entries), func(o *entry) bool { return o == e })
		return c.settle()
	}
	i := n.child(key[0])
	if i < 0 || !strings.HasPrefix(key, n.children[i].label) {
		return n
	}
	below := n.children[i].without(key[len(n.children[i].label):], e)
	switch {
	case len(below.entries) == 0 && len(below.children) == 0:
		c.heads, c.children = slices.Delete(slices.Clone(n.heads), i, i+1), slices.Delete(slices.Clone(n.children), i, i+1)
		return c.settle()
	case len(below.entries) == 0 && len(below.children) == 1: // a node that only passes on
		joined := *below.children[0]
		joined.label = below.label + joined.label
		below = &joined
	}
	c.children = slices.Clone(n.children)
	c.children[i] = below
	return c.settle()
}

// settle sets the lowest order of a node that has lost an entry.
func (n *node) settle() *node {
	n.first = math.MaxInt64
	if len(n.entries) > 0 {
		n.first = n.entries[0].order
	}
	for _, c := range n.children {
		n.first = min(n.first, c.first)
	}
	return n
}

func byOrder(a, b *entry) int { return cmp.Compare(a.order, b.order) }

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
