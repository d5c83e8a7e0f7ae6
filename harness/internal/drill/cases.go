package drill

import (
	"slices"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/alerting"
	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// cases are the plans with this lab's faults, in an order in which one does not
// disturb the next: what spends an error budget comes late, for that is seen for
// longest. last needs a replica with lookup=database.
func (d *drill) cases() (first, last []alerting.Case) {
	disruptions := d.disruptions()
	byCause := map[string]*alerting.Case{}
	for _, p := range alerting.Plans() {
		if len(d.options.Alerts) > 0 && !slices.Contains(d.options.Alerts, p.Alert) {
			continue
		}
		if c := byCause[p.Cause]; c != nil {
			c.Also, c.Beside = append(c.Also, p.Alert), slices.Concat(c.Beside, p.Beside)
			continue
		}
		byCause[p.Cause] = &alerting.Case{
			Alert: p.Alert, Fault: p.Cause, Beside: p.Beside, FireIn: fireWithin, ResolveIn: resolveWithin,
		}
	}
	for _, cause := range causeOrder {
		c := byCause[cause]
		if c == nil {
			continue
		}
		c.Break, c.Restore = disruptions[cause].begin, disruptions[cause].end
		if cause == alerting.SlowPostgres {
			last = append(last, *c)
			continue
		}
		first = append(first, *c)
	}
	return first, last
}

// causeOrder has every cause of alerting.Plans.
var causeOrder = []string{
	alerting.LoseJob, alerting.KillReplica, alerting.FreezeReplicaDB, alerting.BadConfiguration, alerting.TellNoUsage,
	alerting.EmptyCacheForGood, alerting.FillRedis, alerting.StopRedis, alerting.OriginRefuses, alerting.TargetGone,
	alerting.FirstRequestsFail,
	alerting.OriginFails, alerting.OriginSlow, alerting.SlowPostgres,
}

// reportOf is a drill in the report.
func reportOf(outcomes []alerting.Outcome) *result.Drill {
	out := &result.Drill{
		Passed: true, Factor: scale.Factor, ScrapeMS: assess.InMS(scale.Scrape), Alerts: []result.DrillAlert{},
	}
	for i := range outcomes {
		o := &outcomes[i]
		a := result.DrillAlert{
			Name: o.Alert, Cause: o.Fault, Beside: o.Beside, Unexpected: append([]string{}, o.Unexpected...),
		}
		if o.ToFire > 0 {
			a.FiredAfterMS = new(assess.InMS(o.ToFire))
		}
		if o.Err == nil {
			a.ResolvedAfterMS = new(assess.InMS(o.ToResolve))
		} else {
			a.Problem = strings.ReplaceAll(o.Err.Error(), "\n", "; ")
		}
		out.Passed = out.Passed && o.OK()
		out.Alerts = append(out.Alerts, a)
	}
	return out
}
