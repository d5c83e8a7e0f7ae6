// Package drill tries alerts out: it starts a real Prometheus and Alertmanager
// beside a lab, has each alert's condition caused, and measures how long it
// takes to fire and to resolve, and what else fired. Windows and waits of the
// rules can be shortened by a factor, so that a drill takes minutes where the
// rules look at hours; the result says by how much.
package drill
