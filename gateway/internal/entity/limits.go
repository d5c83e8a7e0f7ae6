package entity

const (
	// MaxTimeout is the longest time-out, in milliseconds, and the longest time
	// to live, in seconds.
	MaxTimeout = 1<<31 - 2
	// MaxWhole is how far from 0 a number may be: beyond it float64, and with it
	// every JSON reader that has no other number, skips integers.
	MaxWhole = 1<<53 - 1
)
