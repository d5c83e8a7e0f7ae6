package testenv

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// leakPatience is how long goroutines that were told to end may take: on a busy
// machine thousands of a server's workers need longer than goleak's half second.
const leakPatience = 20 * time.Second

// NoGoroutines fails tb if goroutines are left, other than the test's own and those
// that opts name.
func NoGoroutines(tb testing.TB, opts ...goleak.Option) {
	tb.Helper()
	if err := findLeak(opts); err != nil {
		tb.Error(err)
	}
}

// RunWithoutLeaks is the body of a TestMain: it runs all tests, and fails if they
// passed and goroutines are left. It does not return.
func RunWithoutLeaks(m *testing.M, opts ...goleak.Option) {
	code := m.Run()
	if code == 0 {
		if err := findLeak(opts); err != nil {
			fmt.Fprintf(os.Stderr, "goroutines are left after the tests: %v\n", err)
			code = 1
		}
	}
	os.Exit(code)
}

func findLeak(opts []goleak.Option) error {
	for end := time.Now().Add(leakPatience); ; {
		err := goleak.Find(opts...)
		if err == nil || time.Now().After(end) {
			return err //nolint:wrapcheck // it is shown as it is
		}
	}
}
