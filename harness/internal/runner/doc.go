// Package runner carries out a scenario: it brings the lab up, walks through
// the stages, attacks, breaks what the scenario says, measures, and hands a
// report.Result over. It knows all the other packages of the harness.
package runner
