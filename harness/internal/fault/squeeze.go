package fault

import (
	"fmt"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// squeezer returns the target as a node whose resources can be taken, or the
// reason why they cannot.
func squeezer(s Spec, l Lab) (lab.Node, lab.Squeezer, error) {
	n, err := find(s, l)
	if err != nil {
		return nil, nil, err
	}
	q, ok := n.(lab.Squeezer)
	if !ok {
		return nil, nil, fmt.Errorf("fault %s: this runtime cannot take resources from a running node: want runtime docker", s.Kind)
	}
	return n, q, nil
}
