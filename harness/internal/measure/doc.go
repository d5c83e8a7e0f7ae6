// Package measure decides what raw figures support: latency distributions that can
// be merged, percentiles only where there are enough samples, checks of what would
// make a figure untrue, availability with its confidence interval, and the
// bottleneck of a run.
//
// It is pure: no clocks, no network, nothing of the harness.
package measure
