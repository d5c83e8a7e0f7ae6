package contest

import (
	"sync"
	"time"

	"github.com/gatelab/gatelab/harness/internal/result"
)

// phases adds up how long the parts of a row took, by the names in result.MatrixPhases. They follow each other: what is done for all arms
// at once counts once.
type phases struct {
	mu   sync.Mutex
	took map[string]time.Duration
}

// begin starts the clock of a phase; the function that it returns stops it.
func (p *phases) begin(name string) (end func()) {
	began := time.Now()
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.took == nil {
			p.took = map[string]time.Duration{}
		}
		p.took[name] += time.Since(began)
	}
}

// tell puts what was added up into a row, in seconds.
func (p *phases) tell(row *result.MatrixRow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	row.Seconds = map[string]float64{}
	for name, d := range p.took {
		row.Seconds[name] = float64(d.Milliseconds()) / 1e3
	}
}
