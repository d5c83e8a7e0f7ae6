package upstream

// ring is whom a balancer chooses from. It is replaced as a whole.
type ring struct {
	members []member
	weight  int   // of all members
	turns   []int // indices into members, spread by weight
}

// most turns that a full round of weighted round-robin takes.
const mostTurns = 1000

// spread fills turns so that each member comes as often as its weight says,
// and not all of its turns in a row (smooth weighted round-robin, computed
// once).
func (r *ring) spread() {
	total, unit := 0, 0
	for _, m := range r.members {
		total += m.weight
		unit = gcd(unit, m.weight)
	}
	r.weight = total
	if total == 0 {
		return
	}
	rounds := min(total/unit, mostTurns)
	current := make([]float64, len(r.members))
	for range rounds {
		best := 0
		for i, m := range r.members {
			current[i] += float64(m.weight)
			if current[i] > current[best] {
				best = i
			}
		}
		current[best] -= float64(total)
		r.turns = append(r.turns, best)
	}
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
