// Package history finds trends and change points in the figures of many runs.
//
// It is pure: results in, trends and pages out. Reading files is the caller's.
package history
