package result

import "fmt"

// Names of figures that only some policies of a comparison have.
const (
	FigureFirstEvent = "first_event_ms"
	FigureEvents     = "events_per_s"
	FigureStart      = "start_ms"
	FigureFailed     = "failed_requests"
	FigureWaited     = "requests_that_waited"
	FigureHealed     = "healed_after_ms"
	FigureIdle       = "kib_per_idle_connection"
	FigureCarried    = "idle_connections_kept"
	FigureSwitches   = "context_switches_per_request"
	FigureScale      = "qps_of_fewer_routes"
)

// FiguresOfChanges are the names of the figures of a rate of changes, 1 or 10 per second: the time to their effect, and what is lost.
func FiguresOfChanges(perSecond int) (effect, lost string) {
	return fmt.Sprintf("effect_ms_at_%d_changes", perSecond), fmt.Sprintf("lost_at_%d_changes", perSecond)
}

// changeFigures are what they mean.
func changeFigures() []MatrixFigure {
	var out []MatrixFigure
	for _, perSecond := range []int{1, 10} {
		effect, lost := FiguresOfChanges(perSecond)
		out = append(out, MatrixFigure{
			Name: effect, Title: fmt.Sprintf("Time to effect of a change, ms, at %d/s", perSecond),
			Note: "The median, from the acceptance of a change to the first answer that has it, on a new connection, under load. An Admin API" +
				" accepts with its answer, a file with the signal to read it. Lower is better.",
		}, MatrixFigure{
			Name: lost, Title: fmt.Sprintf("Requests lost while changes are made at %d/s", perSecond),
			Note: "Of the load on kept connections, in four seconds: no answer, or an error. Lower is better.",
		})
	}
	return out
}

// MatrixFigure says what a figure of MatrixCell.Figures is.
type MatrixFigure struct {
	Name, Title, Note string
	Higher            bool // is better
}

// MatrixFigures are the figures that only some policies have, in the order of the report.
func MatrixFigures() []MatrixFigure {
	return append([]MatrixFigure{
		{
			Name: FigureFirstEvent, Title: "Time to the first event, p50, ms",
			Note: "Open loop, from the intended send time to the first bytes of a stream's body. Lower is better.",
		},
		{
			Name: FigureSwitches, Title: "Context switches per request",
			Note: "How often a thread of the gateway was taken from a core, open loop, by the kernel's counters: what waits often costs other" +
				" programs their caches. Of processes of this machine alone. Lower is better.",
		},
		{
			Name: FigureStart, Title: "Time until all routes are configured, ms",
			Note: "From the start of the process to the first answer, with the calls of an Admin API where there is one. Lower is better.",
		},
		{
			Name: FigureScale, Title: "Throughput as a ratio to that with 10 routes", Higher: true,
			Note: "Closed-loop QPS, of the same arm in another row: minutes lie between the two. 1 is as fast. Higher is better.",
		},
		{
			Name: FigureFailed, Title: "Idempotent requests that failed under the fault",
			Note: "Of GET requests at the offered rate, behind the arm's own balancing, in the four seconds after an origin was killed, or became" +
				" slow or sick, and the second before. Lower is better.",
		},
		{
			Name: FigureWaited, Title: "Idempotent requests that waited for the broken origin",
			Note: "Answered, after most of the time-out towards an origin or more: the gateway asked the broken one first. Lower is better.",
		},
		{
			Name: FigureHealed, Title: "Time until no request failed or waited any more, ms",
			Note: "From the fault to when the last such request was sent. 4,000 is as long as the load goes on: the gateway still asked the" +
				" broken origin. Lower is better.",
		},
		{
			Name: FigureIdle, Title: "Memory per idle connection, KiB",
			Note: "The growth of resident memory by idle connections, each of which had one request, divided by their number. Lower is better.",
		},
		{
			Name: FigureCarried, Title: "Idle connections kept", Higher: true,
			Note: "Of those that the policy asks for, half a second after the last was opened. Higher is better.",
		},
		{
			Name: FigureEvents, Title: "Events per second", Higher: true,
			Note: "Of all streams together, closed-loop, the median of the rounds; the origin and the load generator may be the limit." +
				" Higher is better.",
		},
	}, changeFigures()...)
}
