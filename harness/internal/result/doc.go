// Package result is what a run found: the types of result.json, its JSON Schema,
// reading and writing, and the figures that follow from others. It renders
// nothing.
//
// A figure that was not measured is absent: a nil pointer here and no field in
// JSON, never zero.
package result
