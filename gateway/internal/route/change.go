package route

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// mostChanges is how many routes may differ for Change to be worth more than New.
const mostChanges = 64

// Changes are the slots of a table whose routes differ from those of the table that
// it was made of.
type Changes struct {
	Set     []Placed // new or changed
	Cleared []int
}

// Placed is a route by its slot, and by its position in the list of routes.
type Placed struct{ Slot, Position int }

// Change returns a table of other routes, which shares with t what is the same: with
// ten thousand routes, to build one anew costs as much as hundreds of requests. Routes
// keep their slots. It returns nil where too much differs. The error is that of New.
func (t *Table) Change(routes []*entity.Route) (*Table, *Changes, error) {
	d := t.difference(routes)
	if d == nil {
		return nil, nil, nil
	}
	c := *t
	c.routes, c.at = routes, d.at
	c.free = slices.Clone(t.free)
	c.slots, c.sorted = slices.Clone(t.slots), slices.Clone(t.sorted)
	for _, slot := range d.gone {
		for _, e := range c.slots[slot] {
			c.take(e)
		}
		c.slots[slot] = nil
	}
	changes := &Changes{}
	for _, position := range d.set {
		slot := int(c.at[position])
		if slot < 0 {
			slot = c.freeSlot()
			c.at[position] = int32(slot) //nolint:gosec // as many as there are routes
		}
		made, err := appendEntries(nil, routes[position], slot)
		if err != nil {
			return nil, nil, fmt.Errorf("route %s: %w", label(routes[position]), err)
		}
		for i := range made {
			if !c.put(&made[i]) {
				return nil, nil, nil
			}
			c.slots[slot] = append(c.slots[slot], &made[i])
		}
		changes.Set = append(changes.Set, Placed{slot, position})
	}
	for _, slot := range d.gone {
		if !slices.ContainsFunc(changes.Set, func(p Placed) bool { return p.Slot == slot }) {
			changes.Cleared = append(changes.Cleared, slot)
			c.free = append(c.free, slot)
		}
	}
	return &c, changes, nil
}

// difference is what differs between a table's routes and others.
type difference struct {
	at   []int32 // slot of each of the others; -1: none yet
	gone []int   // slots of routes that are not there any more, or changed
	set  []int   // positions of routes that are new or changed
}

// difference compares routes in their order; nil: too much differs. Two lists of
// routes mostly have the same order, since new ones come last.
func (t *Table) difference(routes []*entity.Route) *difference {
	d := &difference{at: make([]int32, len(routes))}
	old := t.routes
	i, j := 0, 0
	for i < len(old) || j < len(routes) {
		if len(d.gone)+len(d.set) > mostChanges {
			return nil
		}
		switch {
		case i < len(old) && j < len(routes) && old[i].ID == routes[j].ID:
			if d.at[j] = t.at[i]; !Same(old[i], routes[j]) {
				d.gone, d.set = append(d.gone, int(t.at[i])), append(d.set, j)
			}
			i++
			j++
		case i == len(old) || j < len(routes) && isAhead(routes[j:], old[i].ID):
			d.at[j], d.set = -1, append(d.set, j)
			j++
		default:
			d.gone = append(d.gone, int(t.at[i]))
			i++
		}
	}
	return d
}

// isAhead reports whether a route is among the next ones.
func isAhead(routes []*entity.Route, id string) bool {
	return slices.ContainsFunc(routes[:min(len(routes), mostChanges)], func(r *entity.Route) bool { return r.ID == id })
}

func (t *Table) freeSlot() int {
	if n := len(t.free); n > 0 {
		slot := t.free[n-1]
		t.free = t.free[:n-1]
		return slot
	}
	t.slots = append(t.slots, nil)
	return len(t.slots) - 1
}

// orderStep is between the orders of two entries of a table that was built anew.
const orderStep = 1 << 32

// put gives an entry its place among the others, and indexes it. It returns false
// where there is no place left.
func (t *Table) put(e *entry) bool {
	// After its equals: paths of one route that weigh the same keep the order they were given in.
	i := sort.Search(len(t.sorted), func(i int) bool { return compareEntries(t.sorted[i], e) > 0 })
	before, after := int64(0), int64(math.MaxInt64)
	if i > 0 {
		before = t.sorted[i-1].order
	}
	if i < len(t.sorted) {
		after = t.sorted[i].order
	} else if before < math.MaxInt64-2*orderStep {
		after = before + 2*orderStep
	}
	if after-before < 2 {
		return false
	}
	e.order = before + (after-before)/2
	t.sorted = slices.Insert(t.sorted, i, e)
	t.reindex(e, func(n *node) *node { return n.with(e.key(), e) })
	return true
}

// take removes an entry.
func (t *Table) take(e *entry) {
	i, _ := slices.BinarySearchFunc(t.sorted, e, byOrder)
	t.sorted = slices.Delete(t.sorted, i, i+1)
	t.reindex(e, func(n *node) *node { return n.without(e.key(), e) })
}

// reindex puts other roots in the place of those of the trees that an entry is in.
func (t *Table) reindex(e *entry, change func(root *node) *node) {
	if len(e.hosts) == 0 {
		t.any = tree{root: *change(&t.any.root), begun: true}
		return
	}
	for _, h := range e.hosts {
		switch h.kind {
		case hostPlain:
			t.plain = t.plain.change(h, change)
		case hostSuffix:
			t.suffix = t.suffix.change(h, change)
		case hostPrefix:
			t.prefix = t.prefix.change(h, change)
		}
	}
}
