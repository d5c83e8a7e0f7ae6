// Package entity holds Kong's entities: their schemas, defaults, validation,
// and the decoding of forms and JSON into records. It is pure: no I/O.
package entity
