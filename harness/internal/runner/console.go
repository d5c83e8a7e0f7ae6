package runner

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Console shows a run to a person: steps as lines, an attack as one line that
// is rewritten on a terminal and repeated every few seconds elsewhere.
type Console struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	began    time.Time
	lastLive time.Time
	live     bool // the cursor stands behind a live line
	onStep   func(text string)
}

// liveEvery is how often a live line is repeated where it cannot be rewritten.
const liveEvery = 5 * time.Second

// NewConsole writes to w; lines are rewritten when w is a terminal.
func NewConsole(w io.Writer) *Console {
	terminal := false
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		terminal = err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
	}
	return &Console{out: w, terminal: terminal, began: time.Now()}
}

// Terminal says whether the console is one, which is where colour belongs.
func (c *Console) Terminal() bool { return c.terminal && os.Getenv("NO_COLOR") == "" }

// Step prints a line with the time since the run began.
func (c *Console) Step(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
	text := fmt.Sprintf(format, args...)
	fmt.Fprintf(c.out, "%6.1fs  %s\n", time.Since(c.began).Seconds(), text)
	if c.onStep != nil {
		c.onStep(text)
	}
}

// OnStep passes every later step's text on, too; nil ends that. f must not call
// the console.
func (c *Console) OnStep(f func(text string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onStep = f
}

// Live shows the state of what goes on. It replaces the live line before it.
func (c *Console) Live(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.terminal {
		fmt.Fprintf(c.out, "\r\x1b[K%6.1fs  %s", now.Sub(c.began).Seconds(), line)
		c.live = true
		return
	}
	if now.Sub(c.lastLive) >= liveEvery {
		c.lastLive = now
		fmt.Fprintf(c.out, "%6.1fs  %s\n", now.Sub(c.began).Seconds(), line)
	}
}

// Print writes text as it is, after what is live was cleared.
func (c *Console) Print(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
	_, _ = io.WriteString(c.out, text)
}

func (c *Console) clear() {
	if c.live {
		_, _ = io.WriteString(c.out, "\r\x1b[K")
		c.live = false
	}
}
