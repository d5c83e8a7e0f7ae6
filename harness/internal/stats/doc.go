// Package stats compares two builds that were measured in pairs and says what
// may be concluded: that one regressed, that it did not, or neither.
//
// It is pure: figures in, verdicts out, and the same figures give the same
// verdict. See Compare for the rules.
package stats
