// Package cache keeps responses: a byte-bounded memory tier in each replica,
// in front of a Redis that replicas share. It knows the freshness rules of
// RFC 9111 and RFC 5861 and joins simultaneous misses into one fetch; which
// requests and responses it is asked about is the proxy-cache plugin's affair.
//
// Replicas agree through Redis: a purge deletes there and is told to every
// replica's memory over pub/sub. A replica whose subscription was cut compares
// the number of the last purge when it is back, and empties its memory if it
// missed one. Entries of a memory-only space are known to one replica only.
package cache
