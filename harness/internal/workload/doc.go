// Package workload makes the requests of a scenario of traffic that was recorded or described elsewhere: targets of vegeta, HAR files,
// OpenAPI documents, access logs, curl commands, or a CSV of variables. Bytes in, requests and counts of what was left out, out.
//
// A format is a parser of its own that gives records, one for each request in the source, to a collector. The collector alone decides
// what a scenario can carry: it leaves out other hosts, what is secret, and what is too large, and merges equal requests, whose number
// becomes their weight. Requests that differ only in numbers or UUIDs of their path become one, with {id} in the place of these.
package workload
