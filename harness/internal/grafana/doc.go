// Package grafana imports the dashboards of this repository into a Grafana, with their folder and the Prometheus data source, and writes
// annotations, so that stages and faults show in every graph. An import can be repeated: what is the same is left unchanged, what changed
// here is updated, and what was changed in Grafana is not overwritten unless that is asked for.
package grafana
