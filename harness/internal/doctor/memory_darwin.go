package doctor

import (
	"os"

	"golang.org/x/sys/unix"
)

// machineMemory is in bytes.
func machineMemory() (free, total uint64, err error) {
	total, err = unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0, 0, err
	}
	pages, err := unix.SysctlUint32("vm.page_free_count")
	return uint64(pages) * uint64(os.Getpagesize()), total, err //nolint:gosec // a page's size is positive
}
