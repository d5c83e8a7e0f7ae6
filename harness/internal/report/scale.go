package report

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// scalePart is what shared servers carry. Empty where none was measured.
func scalePart(r *result.Result) part {
	p := part{ID: "scale", Title: "What shared servers carry"}
	for _, g := range scaleGrids(r) {
		p.tabulate(g)
	}
	return p
}

func scaleGrids(r *result.Result) []grid {
	if r.Scale == nil {
		return nil
	}
	return []grid{askedGrid(r.Scale), replayGrid(r.Scale), fanoutGrid(r.Scale)}
}

// scaleSentence is what was found, in one sentence: by the largest numbers that were measured.
func scaleSentence(s *result.Scale) string {
	var said []string
	for _, one := range s.Redis {
		if n := len(one.Replays); n > 0 {
			said = append(said, fmt.Sprintf("%s: a core of Redis carries %s requests/s", one.Stage, figure.Rounded(one.Replays[n-1].RequestsPS)))
		}
	}
	if n := len(s.Fanout); n > 0 {
		last := s.Fanout[n-1]
		said = append(said, fmt.Sprintf("the last of %s watchers knows a change after %s (median), which costs Postgres %s of CPU time",
			figure.Count(uint64(last.Watchers)), figure.Millis(last.LastMS.Median), figure.Millis(last.PostgresMS))) //nolint:gosec // a count
	}
	return strings.Join(said, "; ")
}

// askedGrid is what gateways ask Redis for.
func askedGrid(s *result.Scale) grid {
	g := grid{
		Title: "What gateways ask Redis for",
		Note:  "Recorded under load. A script is one command, whatever it does.",
		Heads: []string{"stage", "requests", "commands", "per request", "which"}, Text: []bool{0: true, 4: true},
	}
	for _, one := range s.Redis {
		var which []string
		for _, name := range slices.Sorted(maps.Keys(one.Commands)) {
			which = append(which, name+" "+figure.Count(one.Commands[name]))
		}
		g.add(false, one.Stage, figure.Count(one.Requests), figure.Count(one.Recorded), fmt.Sprintf("%.3f", one.PerReq),
			strings.Join(which, ", "))
	}
	return g
}

// replayGrid is how many of them Redis executes.
func replayGrid(s *result.Scale) grid {
	g := grid{
		Title: "What one Redis carries",
		Note: "The recorded commands, sent again as fast as Redis answers. Redis executes commands in one thread: with a core of its own it" +
			" executes as many per second as it did per second of CPU time. Requests are those of gateways that ask as recorded." +
			" Marked: Redis had less than half a core, because others used the machine, or replies were errors.",
		Heads: []string{"stage", "at a time", "commands/s", "cores used", "us per command", "commands/s of a core", "requests/s of a core",
			"errors", "machine busy"},
		Text: []bool{0: true},
	}
	for _, one := range s.Redis {
		for _, x := range one.Replays {
			g.add(x.Errors > 0 || x.RedisCores < 0.5, one.Stage, strconv.Itoa(x.Depth), figure.Rounded(x.CommandsPS),
				fmt.Sprintf("%.2f", x.RedisCores), fmt.Sprintf("%.1f", x.CommandUS), figure.Rounded(x.CorePS), figure.Rounded(x.RequestsPS),
				strconv.FormatUint(x.Errors, 10), busyText(x.MachineBusy))
		}
	}
	return g
}

// fanoutGrid is how changes reach clients that LISTEN.
func fanoutGrid(s *result.Scale) grid {
	g := grid{
		Title: "How a change reaches clients that LISTEN",
		Note: "Times from just before COMMIT was sent: medians, the longest in brackets. The clients are connections of one process on the" +
			" same machine, so a part of each time is theirs. CPU time is of all of Postgres' processes, and of all clients, for one change.",
		Heads: []string{"watchers", "each reads", "commit ms", "first ms", "last ms", "Postgres CPU ms", "clients CPU ms", "Postgres MiB",
			"machine busy"},
		Text: []bool{1: true},
	}
	text := func(v result.MedianMax) string { return fmt.Sprintf("%.1f (%.1f)", v.Median, v.Max) }
	for _, f := range s.Fanout {
		reads := "no"
		if f.Reads {
			reads = "yes"
		}
		g.add(false, strconv.Itoa(f.Watchers), reads, text(f.CommitMS), text(f.FirstMS), text(f.LastMS),
			fmt.Sprintf("%.1f", f.PostgresMS), fmt.Sprintf("%.1f", f.ClientMS), figure.RoundedOr(f.MemoryMiB), busyText(f.MachineBusy))
	}
	return g
}

func busyText(share *float64) string {
	if share == nil {
		return figure.NA
	}
	return figure.Percent(*share)
}

// ScaleText writes what shared servers carry for a terminal. The Result must be settled.
func ScaleText(w io.Writer, r *result.Result) error {
	b := bufio.NewWriter(w)
	for _, g := range scaleGrids(r) {
		if !g.empty() {
			titled(b, g)
		}
	}
	for _, why := range r.InvalidReasons {
		fmt.Fprintf(b, "INVALID: %s\n", line(why))
	}
	return b.Flush()
}
