// Package upstream asks what is behind the gateway: it picks a target, keeps
// connections to it, sends a request and reads the answer's headers, retries
// where that is safe, and leaves a target alone for a while when it cannot be
// reached. Bodies of unknown or great length are streamed.
package upstream
