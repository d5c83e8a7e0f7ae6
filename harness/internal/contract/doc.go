// Package contract holds the tests that dashboards, alert rules and gateway agree: every metric that a dashboard or a rule names is
// exported by a running gateway or harness.
package contract
