// Package load describes attacks and their results, merges results, and drives a
// worker over HTTP. The worker itself is package engine.
//
// In the open model requests are sent at a fixed rate whatever the responses do,
// and latency counts from the moment a request was due. In the closed model a
// number of connections each send as soon as they have a response: it finds
// capacity, and its latency is not what a user would see.
package load
