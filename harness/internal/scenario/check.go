package scenario

// checkMissing asks of a resolved stage what no default can stand for.
func (d *decoder) checkMissing(n *node) {
	d.require("", n, "workload", "load")
}

// checkLoad sees to it that the open attack has a rate, and that it can be
// found.
func (d *decoder) checkLoad(n *node, s *Stage) {
	load := n.field("load")
	if load == nil || load.kind != mapping {
		return
	}
	closed, open := load.field("closed"), load.field("open")
	if closed == nil && open == nil {
		d.wrong(load, "load", "neither closed nor open: want one of them or both")
	}
	if open == nil || open.kind != mapping {
		return
	}
	o := s.Load.Open
	switch {
	case (o.Share > 0) == (o.Rate > 0):
		d.wrong(open, "load.open", "share %v and rate %v are not allowed: want one of them above 0", o.Share, o.Rate)
	case o.Share > 0 && s.Load.Closed.Connections == 0:
		d.refuse(open.field("share"), "load.open.share", "a closed attack of which it is the share, or rate in its place")
	}
	d.checkShape(open, &o)
}
