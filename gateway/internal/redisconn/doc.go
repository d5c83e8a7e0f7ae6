// Package redisconn gives each Redis server that the gateway knows one
// connection pool and one circuit breaker, shared by the cache and the limits.
//
// A request never waits for a dead Redis: after a few failures in a row the
// breaker opens and Do answers ErrUnavailable at once. While it is open, one
// background probe at a time asks the server whether it is back, so that no
// request has to find out.
package redisconn
