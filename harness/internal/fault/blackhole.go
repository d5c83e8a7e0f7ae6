package fault

import (
	"errors"
	"net"
)

// KindBlackHole loses what is sent over a link; connections stay open.
const KindBlackHole = "black-hole"

// blackHole loses requests: what does not arrive is not answered either, and the
// far end has no reason to close.
func blackHole(Spec) toxic {
	return toxic{
		Type: "timeout", Stream: "upstream", Attributes: map[string]int{"timeout": 0},
		seen: func(p, normal probe) bool {
			var timeout net.Error
			return p.bytes == 0 && p.took > normal.took && errors.As(p.err, &timeout) && timeout.Timeout()
		},
	}
}
