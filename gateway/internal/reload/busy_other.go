//go:build !linux

package reload

import "time"

// onThread adds to busy the time until the function that it returns is called: other
// systems do not tell the CPU time of a thread.
func onThread(busy *time.Duration) (stop func()) {
	began := time.Now()
	return func() { *busy += time.Since(began) }
}
