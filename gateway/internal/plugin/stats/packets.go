package stats

import "bytes"

// packets puts lines together. Over TCP every line ends, over UDP a line break is
// between two of a datagram.
func (s *Sender) packets(batch [][]byte) [][]byte {
	var (
		packets [][]byte
		current []byte
	)
	for _, entry := range batch {
		for line := range bytes.SplitSeq(entry, []byte{'\n'}) {
			switch {
			case len(line) == 0:
				continue
			case s.TCP:
				current = append(append(current, line...), '\n')
				continue
			case current != nil && len(current)+1+len(line) <= s.Packet:
				current = append(append(current, '\n'), line...)
				continue
			case current != nil:
				packets = append(packets, current)
			}
			current = bytes.Clone(line)
		}
	}
	if current != nil {
		packets = append(packets, current)
	}
	return packets
}
