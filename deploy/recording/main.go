// Command recording runs a command in a terminal (tmux) and writes what it showed as an animated SVG, for the README. It is a tool of the
// maintainers: deploy/recording/record.sh calls it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"time"
)

// frame is the screen from a moment on.
type frame struct {
	at   time.Duration // since the command began
	rows []string      // with escape sequences for colours
}

// longestPause is how long a screen may stay that does not change, before it is made faster.
const longestPause = 8 * time.Second

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "recording:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	width := flag.Int("width", 100, "columns of the terminal")
	height := flag.Int("height", 30, "rows of the terminal")
	every := flag.Duration("every", 500*time.Millisecond, "time between two looks at the screen")
	most := flag.Duration("most", 5*time.Minute, "longest duration of the command")
	speed := flag.Float64("speed", 4, "how many times faster the recording is than the command was")
	title := flag.String("title", "", "command that the picture is of (default COMMAND)")
	clean := cleaner{}
	flag.Func("replace", "`OLD=NEW`: text of this machine and what a reader has in its place; may be repeated", clean.parse)
	flag.Parse()
	if flag.NArg() != 2 {
		return errors.New("want FILE.svg 'COMMAND'")
	}
	ctx, cancel := context.WithTimeout(ctx, *most)
	defer cancel()
	s := screen{session: "recording-" + strconv.Itoa(os.Getpid())}
	defer s.close()
	if err := s.open(ctx, *width, *height, flag.Arg(1)); err != nil {
		return err
	}
	frames, err := s.watch(ctx, *every)
	if err != nil {
		return err
	}
	if *title == "" {
		*title = flag.Arg(1)
	}
	text := drawing{columns: *width, lines: *height, speed: *speed}.svg(shortened(clean.frames(frames), longestPause), *title)
	if left := clean.left(text); len(left) > 0 {
		return fmt.Errorf("the recording would show %q of this machine: want a -replace or a rule for each", left)
	}
	return os.WriteFile(flag.Arg(0), []byte(text), 0o644) //nolint:gosec // a picture
}

// screen is a terminal of tmux, on a server of its own.
type screen struct{ session string }

func (s screen) tmux(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "tmux", append([]string{"-L", s.session, "-f", "/dev/null"}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("tmux %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// open starts the command. Its screen stays when it ends.
func (s screen) open(ctx context.Context, width, height int, command string) error {
	_, err := s.tmux(ctx, "new-session", "-d", "-x", strconv.Itoa(width), "-y", strconv.Itoa(height), "sh", "-c", command,
		";", "set-option", "remain-on-exit", "on", ";", "set-option", "remain-on-exit-format", "")
	return err
}

func (s screen) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, _ = s.tmux(ctx, "kill-server") // gone already where the command ended by itself
}

// watch keeps every screen that differs from the one before, until the command has ended.
func (s screen) watch(ctx context.Context, every time.Duration) ([]frame, error) {
	var frames []frame
	began := time.Now()
	last := ""
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		dead, err := s.tmux(ctx, "display-message", "-p", "#{pane_dead}")
		if err != nil {
			return nil, err
		}
		text, err := s.tmux(ctx, "capture-pane", "-p", "-e")
		if err != nil {
			return nil, err
		}
		if text != last {
			frames = append(frames, frame{at: time.Since(began), rows: strings.Split(strings.TrimRight(text, "\n"), "\n")})
			last = text
		}
		if strings.TrimSpace(dead) == "1" {
			return frames, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}
