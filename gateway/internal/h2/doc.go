// Package h2 serves HTTP/2 to clients: the loop of a connection and its streams
// (RFC 9113), on top of x/net's framer and HPACK. It knows nothing of routes and
// upstreams, and keeps no time limits of its own but for idle connections and
// settings: reads and writes are a Transport's.
//
// One goroutine reads a connection. Each request has a goroutine of a pool, which
// writes its answer itself: frames are put behind each other under the connection's
// lock, and whoever comes first writes them for all.
package h2
