// Package grafana brings the dashboards of this repository into a Grafana: a
// folder, the Prometheus data source and the boards. It can be repeated: what
// is the same is left alone, what changed here is updated, and what a person
// changed there is not overwritten unless that is asked for. It also writes
// annotations, so that stages and faults show in every graph.
package grafana
