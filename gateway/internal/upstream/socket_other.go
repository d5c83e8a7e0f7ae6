//go:build !linux

package upstream

// outQueue is known on Linux only.
func outQueue(uintptr) (int, error) { return 0, nil }
