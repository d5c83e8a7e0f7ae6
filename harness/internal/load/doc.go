// Package load describes attacks and their results, merges results, and drives a
// worker over HTTP. The worker itself is package engine.
//
// In the open model requests are sent when a schedule says so, whatever the responses do,
// and latency counts from the moment a request was due. Several workers share an attack:
// each sends the requests of one schedule that are its part, from one time. In the closed model a
// number of connections each send as soon as they have a response: it finds
// capacity, and its latency is not what a user would see.
package load
