// Package engine sends the requests of an attack and records what came of them:
// the open and the closed loop, a lean HTTP/1.1 client, and the worker that runs
// attacks for clients over HTTP.
package engine
