package stats

// Metric is one figure, measured of both arms in every round. A round's two
// values belong together: they were taken one after the other on the same host.
type Metric struct {
	Name         string
	HigherBetter bool    // throughput; else lower is better
	Margin       float64 // what is tolerated, as a share: 0.10 is 10% worse
	Advisory     bool    // shown, but no part of the verdict
	// Guard is a metric that may be too noisy for a verdict: one that is beyond its
	// margin fails the comparison; without a verdict it is left out, and the others decide.
	Guard bool
	// Unpaired says that A and B were measured apart: what the host did to one of
	// them it did not do to the other, so values do not belong together and what
	// the host does is not removed.
	Unpaired bool
	// Shares says that A and B are shares of requests, 0 to 1, which may be 0: what is
	// estimated is the difference B - A instead of a ratio, and Margin is absolute.
	Shares bool
	A, B   []float64
}

// Failures are both arms' failed requests, all rounds together.
type Failures struct {
	FailedA, AllA uint64
	FailedB, AllB uint64
	Margin        float64 // tolerated rise of the rate, absolute: 0.001 is one in a thousand
}

// Data are what Compare judges.
type Data struct {
	Metrics  []Metric
	Failures *Failures
	// Control are the same metrics with the first arm on both sides (A/A). Without
	// them there is no verdict.
	Control []Metric
	// Looks is how often the data are examined: 2 where a run may be extended
	// once. More looks need more evidence at each.
	Looks int
}
