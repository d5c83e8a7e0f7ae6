// Package alerting tests alerts: it starts a real Prometheus and Alertmanager beside a lab, causes the condition of each alert, and
// measures how long the alert takes to fire and to resolve, and which others fire. Windows and waits of the rules can be shortened by a
// factor, so that a drill takes minutes where the rules look at hours; the result says by how much.
package alerting
