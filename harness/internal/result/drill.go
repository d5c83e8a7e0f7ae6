package result

// Drill is the outcome of an alert drill: conditions of alerts were caused on
// purpose, watched by a real Prometheus and Alertmanager.
type Drill struct {
	Passed   bool         `json:"passed"`    // each fired and resolved, and no other did
	Factor   float64      `json:"factor"`    // by which windows and waits of the rules were shortened; 1 is as in production
	ScrapeMS float64      `json:"scrape_ms"` // between two scrapes, and two evaluations
	Alerts   []DrillAlert `json:"alerts"`
}

// DrillAlert is one alert that was to fire and to resolve. Alerts of one cause
// stand together; what else fired is told with the first of them.
type DrillAlert struct {
	Name         string   `json:"name"`
	Cause        string   `json:"cause"`                    // the fault, in words
	FiredAfterMS *float64 `json:"fired_after_ms,omitempty"` // from the fault until Alertmanager sent it; absent: it did not fire
	// ResolvedAfterMS is from the recovery until no instance fired; absent: it did
	// not resolve.
	ResolvedAfterMS *float64 `json:"resolved_after_ms,omitempty"`
	Beside          []string `json:"beside,omitempty"` // also fired, as expected: the same problem seen by another alert
	Unexpected      []string `json:"unexpected"`       // also fired, but should not have
	Problem         string   `json:"problem,omitempty"`
}

// OK tells whether the alert did what it is for, and no other did.
func (a *DrillAlert) OK() bool {
	return a.FiredAfterMS != nil && a.ResolvedAfterMS != nil && a.Problem == "" && len(a.Unexpected) == 0
}
