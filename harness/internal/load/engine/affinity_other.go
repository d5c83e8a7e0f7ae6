//go:build !linux

package engine

// allowedCores: other systems do not tell a process which cores it may run on.
func allowedCores() []string { return nil }
