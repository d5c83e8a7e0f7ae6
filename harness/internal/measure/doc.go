// Package measure turns raw figures into statements that may be made: latency
// distributions that can be merged, percentiles only where the samples carry
// them, checks of what would make a figure untrue, availability with an honest
// interval, and the component that limits a run.
//
// It is pure: no clocks, no network, nothing of the harness.
package measure
