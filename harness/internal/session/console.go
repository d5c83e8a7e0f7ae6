package session

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// Console shows a session to a person: steps as lines; an attack as a block of lines that is redrawn on a terminal, and as a line every
// ten seconds elsewhere.
type Console struct {
	// NoProgress leaves out attacks under way.
	NoProgress bool

	mu    sync.Mutex
	out   io.Writer
	size  func() (width, height int) // of the terminal; nil: there is none
	began time.Time
	said  time.Time // the last line
	view  view
	drawn []string // the lines of the block, the cursor behind the last one
}

var _ Observer = (*Console)(nil)

// sayEvery is the interval at which progress is told if it cannot be redrawn.
const sayEvery = 10 * time.Second

// NewConsole writes to w; progress is redrawn if w is a terminal.
func NewConsole(w io.Writer) *Console {
	c := &Console{out: w, began: time.Now(), said: time.Now()}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return c
	}
	c.size = func() (width, height int) {
		width, height, err := term.GetSize(int(f.Fd()))
		if err != nil || width <= 0 {
			return 80, 24
		}
		return width, height
	}
	return c
}

// Color says whether colour is wanted: on a terminal without NO_COLOR.
func (c *Console) Color() bool { return c.size != nil && os.Getenv("NO_COLOR") == "" }

// Width is the number of columns of the terminal; 0: there is none.
func (c *Console) Width() int {
	if c.size == nil {
		return 0
	}
	width, _ := c.size()
	return width
}

// Observe implements Observer.
func (c *Console) Observe(e Event) {
	switch e.Kind {
	case Fault:
		c.mu.Lock()
		c.view.fault(e)
		c.mu.Unlock()
		c.Step(e.Text)
	case Step, Verdict:
		c.Step(e.Text)
	case Working:
		if !c.NoProgress && c.size == nil {
			c.Step(e.Text)
		}
	case Progress:
		if c.NoProgress {
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.view.progress(e.Stage, e.Attack, e.Progress)
		c.show()
	case End:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.clear()
	}
}

// Step prints a line with the time since the console was made.
func (c *Console) Step(said string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
	c.say(said)
}

// say prints a line below all others.
func (c *Console) say(said string) {
	c.said = time.Now()
	if width := c.Width() - len(indent); width > 20 {
		said = strings.ReplaceAll(text.WrapSoft(said, width), "\n", "\n"+indent)
	}
	fmt.Fprintf(c.out, "%6.1fs  %s\n", time.Since(c.began).Seconds(), said)
}

// show redraws the view, or tells it if it is time.
func (c *Console) show() {
	if c.size == nil {
		if time.Since(c.said) >= sayEvery {
			c.say(c.view.line())
		}
		return
	}
	width, height := c.size()
	// The last column stays free: some terminals wrap there.
	l := look{width: width - 1, color: c.Color(), ascii: asciiOnly(os.Getenv)}
	lines := c.view.block(l)
	if len(lines) >= height {
		lines = []string{text.Trim(c.view.line(), l.width)}
	}
	// One write, so that nothing flickers.
	_, _ = io.WriteString(c.out, c.above()+"\x1b[J"+strings.Join(lines, "\n"))
	c.drawn = lines
}

// clear takes the block away.
func (c *Console) clear() {
	if len(c.drawn) > 0 {
		_, _ = io.WriteString(c.out, c.above()+"\x1b[J")
		c.drawn = nil
	}
}

// above moves the cursor to the beginning of the block, which may have been wrapped since, by a window that became narrower.
func (c *Console) above() string {
	rows := 0
	width, _ := c.size()
	for _, line := range c.drawn {
		rows += max(1, (text.StringWidthWithoutEscSequences(line)+width-1)/width)
	}
	if rows < 2 {
		return "\r"
	}
	return fmt.Sprintf("\r\x1b[%dA", rows-1)
}

// asciiOnly says whether the locale asks for no more than ASCII. Without a locale most terminals show more.
func asciiOnly(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(getenv(name)); v != "" {
			return !strings.Contains(v, "utf-8") && !strings.Contains(v, "utf8")
		}
	}
	return false
}
