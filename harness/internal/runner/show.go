package runner

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gatelab/harness/internal/load"
)

// live is an attack under way in one line.
func live(stage string, a load.Attack, p load.Progress) string {
	line := fmt.Sprintf("%s %s %s %s/%s  %.0f QPS", stage, a.Model, p.State, p.Elapsed.Truncate(100*time.Millisecond), p.Total, p.QPS)
	if p.P50 > 0 {
		line += fmt.Sprintf("  p50 %s  p99 %s", short(p.P50), short(p.P99))
	}
	line += fmt.Sprintf("  errors %.2f%%", share(p.Failed, p.Requests))
	if n := len(p.Series); n > 0 && p.Series[n-1].Hits > 0 {
		last := p.Series[n-1]
		line += fmt.Sprintf("  hits %.1f%%", share(last.Hits, last.Requests))
	}
	return line
}

// summary is an attack that is over in one line.
func summary(a load.Attack, r *load.Result) string {
	line := fmt.Sprintf("%.0f QPS, errors %.2f%%", r.QPS(), 100*r.ErrorRate())
	if r.Limited > 0 {
		line += fmt.Sprintf(", limited %.2f%%", share(r.Limited, r.Requests))
	}
	if a.Model == load.Open {
		line = fmt.Sprintf("%.0f/s offered, ", a.Rate) + line
		p := r.Corrected.Percentiles()
		if p.P50 != nil {
			line += fmt.Sprintf(", p50 %.1f ms", *p.P50)
		}
		if p.P99 != nil {
			line += fmt.Sprintf(", p99 %.1f ms", *p.P99)
		}
	} else {
		line = fmt.Sprintf("%d connections, ", a.Connections) + line
	}
	return line
}

// cpuSummary is what each role spent on a request, the dearest first.
func cpuSummary(a *attacked) string {
	byRole := map[string]float64{}
	var total float64
	for role, seconds := range cpuByRole(spent(a.readings)) {
		byRole[role] = seconds / float64(max(a.counted.Requests, 1)) * 1e6
		total += byRole[role]
	}
	roles := slices.SortedFunc(maps.Keys(byRole), func(x, y string) int { return cmp.Compare(byRole[y], byRole[x]) })
	parts := []string{fmt.Sprintf("%.0f", total)}
	for _, role := range roles {
		if byRole[role] >= 0.5 {
			parts = append(parts, fmt.Sprintf("%s %.0f", role, byRole[role]))
		}
	}
	return strings.Join(parts, ", ")
}

func share(part, all uint64) float64 {
	if all == 0 {
		return 0
	}
	return 100 * float64(part) / float64(all)
}

func short(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < 10*time.Second:
		return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
