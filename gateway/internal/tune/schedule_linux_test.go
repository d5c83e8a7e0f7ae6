package tune

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

func TestEveryThreadIsScheduledInBatches(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := Batch(); err != nil {
		t.Fatal(err)
	}
	for _, tid := range []int{os.Getpid(), unix.Gettid()} {
		attr, err := unix.SchedGetAttr(tid, 0)
		if err != nil {
			t.Fatal(err)
		}
		if attr.Policy != unix.SCHED_BATCH {
			t.Errorf("thread %d has policy %d", tid, attr.Policy)
		}
	}
}
