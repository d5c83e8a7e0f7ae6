// Package load generates load and says truthfully what came of it. A worker
// takes attacks over HTTP, runs one at a time and reports what it saw; a client
// drives it.
//
// The open model sends at a fixed rate whatever the answers do, and its latency
// counts from the moment at which a request was due. The closed model keeps
// every connection busy: it finds capacity, and its latency is no user's.
package load
