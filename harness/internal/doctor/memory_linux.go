package doctor

import "syscall"

// machineMemory is in bytes.
func machineMemory() (free, total uint64, err error) {
	var s syscall.Sysinfo_t
	if err := syscall.Sysinfo(&s); err != nil {
		return 0, 0, err
	}
	return s.Freeram * uint64(s.Unit), s.Totalram * uint64(s.Unit), nil
}
