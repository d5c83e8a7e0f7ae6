package engine

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// allowedCores are the numbers of the cores that the process may run on; none if they are not known.
func allowedCores() (cores []string) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil
	}
	for i := 0; len(cores) < set.Count(); i++ {
		if set.IsSet(i) {
			cores = append(cores, strconv.Itoa(i))
		}
	}
	return cores
}
