// Package gate decides whether one build of the gateway is worse than another,
// from rounds in which both were measured side by side.
//
// It is pure: a Record in, a Decision out, and the same record always gives the
// same decision. The rounds are kept as they were measured, so that the gate's
// own error rates can be estimated afterwards (Replay).
package gate
