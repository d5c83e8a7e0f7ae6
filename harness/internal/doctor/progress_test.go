package doctor

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgressIsToldNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said strings.Builder
		p := newProgress(&said, 50*time.Second)
		for range 100 {
			time.Sleep(300 * time.Millisecond)
			p.tell()
		}
		if got := said.String(); got != "  10 s of about 50\n  20 s of about 50\n" {
			t.Errorf("in half a minute it said %q", got)
		}
	})
}
