package session

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/load"
)

// screen is what a terminal of a width shows of what was written to it: as much of its language as a console uses.
type screen struct {
	width   int
	lines   [][]rune
	x, y    int
	colours int // codes that were seen
}

var control = regexp.MustCompile(`^\x1b\[([0-9;]*)([A-Za-z])`)

func (s *screen) write(t *testing.T, all string) {
	t.Helper()
	for all != "" {
		if m := control.FindStringSubmatch(all); m != nil {
			s.control(t, m[1], m[2])
			all = all[len(m[0]):]
			continue
		}
		r := []rune(all)[0]
		all = all[len(string(r)):]
		switch r {
		case '\r':
			s.x = 0
		case '\n':
			s.y++
		default:
			if s.x == s.width {
				s.x, s.y = 0, s.y+1
			}
			s.put(r)
		}
	}
}

func (s *screen) put(r rune) {
	for len(s.lines) <= s.y {
		s.lines = append(s.lines, nil)
	}
	for len(s.lines[s.y]) <= s.x {
		s.lines[s.y] = append(s.lines[s.y], ' ')
	}
	s.lines[s.y][s.x] = r
	s.x++
}

func (s *screen) control(t *testing.T, arguments, command string) {
	t.Helper()
	switch command {
	case "A":
		n, err := strconv.Atoi(arguments)
		if err != nil || n > s.y {
			t.Fatalf("up by %q from line %d", arguments, s.y)
		}
		s.y -= n
	case "J":
		if s.y < len(s.lines) {
			s.lines[s.y] = s.lines[s.y][:min(s.x, len(s.lines[s.y]))]
			s.lines = s.lines[:s.y+1]
		}
	case "m":
		s.colours++
	default:
		t.Fatalf("an escape code %s%s", arguments, command)
	}
}

func (s *screen) String() string {
	var b strings.Builder
	for _, l := range s.lines {
		b.WriteString(strings.TrimRight(string(l), " ") + "\n")
	}
	return b.String()
}

// shown is what a real pseudo-terminal of a width is sent by a console that is shown events.
func shown(t *testing.T, width int, events func(*Console)) *screen {
	t.Helper()
	master, terminal, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	defer master.Close()
	if err := pty.Setsize(terminal, &pty.Winsize{Rows: 24, Cols: uint16(width)}); err != nil { //nolint:gosec // it is small
		t.Fatal(err)
	}
	sent := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(bufio.NewReader(master)) // ends with an error when the terminal is closed
		sent <- string(b)
	}()
	events(NewConsole(terminal))
	terminal.Close()
	s := &screen{width: width}
	select {
	case all := <-sent:
		s.write(t, all)
	case <-time.After(10 * time.Second):
		t.Fatal("the pseudo-terminal does not end")
	}
	return s
}

// attacked shows half a minute of an attack, a fault at work, and perhaps its end.
func attacked(c *Console, end bool) {
	c.Observe(Event{Kind: Step, Text: "lab up: 9 nodes"})
	a := load.Attack{ID: "1", Model: load.Open}
	var series []load.Second
	for i := range 30 {
		n := uint64(900 + 10*i) //nolint:gosec // small
		series = append(series, load.Second{
			Offset: i, Counts: load.Counts{Requests: n + 1, Successes: n, Failed: 1}, Hits: n / 2,
			P50: time.Millisecond, P99: time.Duration(10+i) * time.Millisecond,
		})
		c.Observe(Event{Kind: Progress, Stage: "cache", Attack: a, Progress: load.Progress{
			State: load.Running, Elapsed: time.Duration(i+1) * time.Second, Total: 60 * time.Second,
			Counts: load.Counts{Requests: 1000, Failed: 5}, Series: series[max(0, len(series)-4):],
		}})
		if i == 20 {
			c.Observe(Event{
				Kind: Fault, At: time.Now(), FaultStep: fault.StepInjected, Fault: fault.Event{Kind: "kill", Target: "gateway-2"},
				Text: "fault kill gateway-2: injected",
			})
		}
	}
	if end {
		c.Observe(Event{Kind: Step, Text: "cache open: done"})
		c.Observe(Event{Kind: End})
	}
}

func TestTheLiveViewFitsTheTerminal(t *testing.T) {
	t.Setenv("LANG", "C.UTF-8")
	t.Setenv("LC_ALL", "")
	t.Setenv("TERM", "xterm")
	for width, lines := range map[int]int{40: 7, 80: 7, 140: 5} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			s := shown(t, width, func(c *Console) { attacked(c, false) })
			got := s.String()
			for _, want := range []string{
				"cache open running", "rate", "1,190/s", "p50", "1.0 ms", "p99", "39 ms", "errors", "0.50%", "hits", "50.0%",
				"kill gateway-2 (0 s)", "▇█",
			} {
				if !strings.Contains(got, want) {
					t.Errorf("nothing of %q on the screen:\n%s", want, got)
				}
			}
			// Two lines above the block: what was done, and the fault.
			if n := strings.Count(got, "\n"); n != lines+2 {
				t.Errorf("%d lines, want %d and two above:\n%s", n, lines, got)
			}
			if strings.Count(got, "rate") != 1 {
				t.Errorf("the block was not redrawn in its place:\n%s", got)
			}
		})
	}
}

func TestTheLiveViewLeavesNothingBehind(t *testing.T) {
	t.Setenv("TERM", "xterm")
	s := shown(t, 80, func(c *Console) { attacked(c, true) })
	if want := "lab up: 9 nodes"; strings.Count(s.String(), "\n") != 3 || !strings.Contains(s.String(), want) {
		t.Errorf("want three steps and nothing else:\n%s", s)
	}
}

func TestColourOfTheLiveView(t *testing.T) {
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	os.Unsetenv("NO_COLOR")
	if s := shown(t, 80, func(c *Console) { attacked(c, false) }); s.colours == 0 {
		t.Error("no colour on a terminal")
	}
	t.Setenv("NO_COLOR", "1")
	if s := shown(t, 80, func(c *Console) { attacked(c, false) }); s.colours != 0 {
		t.Error("colour although NO_COLOR is set")
	}
	t.Setenv("TERM", "dumb")
	if s := shown(t, 80, func(c *Console) { attacked(c, false) }); strings.Contains(s.String(), "rate") {
		t.Errorf("a dumb terminal cannot be redrawn:\n%s", s)
	}
}

func TestWithoutUnicodeTheLiveViewIsASCII(t *testing.T) {
	t.Setenv("TERM", "xterm")
	t.Setenv("LC_ALL", "C")
	s := shown(t, 80, func(c *Console) { attacked(c, false) })
	for _, r := range s.String() {
		if r > 126 {
			t.Fatalf("%q on the screen:\n%s", r, s)
		}
	}
}

// The rate of slow requests is that of a second whose requests have been answered.
func TestSecondsThatAreNotAnsweredAreNotShown(t *testing.T) {
	const slow = 1500 * time.Millisecond
	var v view
	at := func(i int, n uint64, p50 time.Duration) load.Second {
		return load.Second{Offset: i, Counts: load.Counts{Requests: n, Successes: n}, P50: p50}
	}
	v.progress("s", load.Attack{ID: "1", Model: load.Closed, Warmup: 2 * time.Second}, load.Progress{
		State: load.Running, Elapsed: 6500 * time.Millisecond,
		Series: []load.Second{at(0, 130, slow), at(1, 131, slow), at(2, 132, slow), at(3, 2, time.Second), at(4, 0, 0)},
	})
	if rate := v.rows()[0].value; rate != "132/s" {
		t.Errorf("rate %s, want that of the second that began 2.5 s ago", rate)
	}
}
