package load

import "fmt"

// MaxTogether is how many workers may make one attack together.
const MaxTogether = 64

// Part is one worker's part of an attack that several workers make together. Of an open attack it is every Of-th request: all workers
// together send the requests that one would have sent, each at the time at which one would have sent it. Of a closed attack, and of the
// connections that an open one is limited to, it is an equal share.
type Part struct {
	Worker int `json:"worker"` // from 0
	Of     int `json:"of"`     // workers
}

// Seq is the number, among all requests of the attack, of the n-th one of this part; nil is the whole attack.
func (p *Part) Seq(n uint64) uint64 {
	if p == nil {
		return n
	}
	return n*uint64(p.Of) + uint64(p.Worker) //nolint:gosec // both are small and not negative
}

// Parts is how many workers make the attack; nil is the whole attack.
func (p *Part) Parts() int {
	if p == nil {
		return 1
	}
	return p.Of
}

// split is this part's share of a whole number, and the shares of the workers before it.
func (p *Part) split(whole int) (share, before int) {
	if p == nil {
		return whole, 0
	}
	share, before = whole/p.Of, whole/p.Of*p.Worker+min(whole%p.Of, p.Worker)
	if p.Worker < whole%p.Of {
		share++
	}
	return share, before
}

// Own is what this worker itself does of the attack: its connections, and its requests in flight. The rate stays that of the whole attack,
// of whose requests Part names those that are this worker's. before is the number of the connections of the workers before it.
func (a Attack) Own() (own Attack, before int) {
	a.Connections, before = a.Part.split(a.Connections)
	share, _ := a.Part.split(a.MaxWorkers)
	a.MaxWorkers = max(share, min(a.MaxWorkers, 1))
	return a, before
}

func (a *Attack) validatePart() error {
	p := a.Part
	switch {
	case p == nil:
		return nil
	case p.Of < 1 || p.Of > MaxTogether:
		return fmt.Errorf("part.of: %d is not allowed: want 1 to %d", p.Of, MaxTogether)
	case p.Worker < 0 || p.Worker >= p.Of:
		return fmt.Errorf("part.worker: %d is not allowed: want 0 to %d, as there are %d workers", p.Worker, p.Of-1, p.Of)
	case a.Connections > 0 && a.Connections < p.Of:
		return fmt.Errorf("connections: %d is not allowed: want %d or more, one for each worker", a.Connections, p.Of)
	}
	return nil
}
