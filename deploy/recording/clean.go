package main

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// cleaner takes out of a recording what is of the machine that it was made on: lines about images and registries, and paths.
type cleaner struct{ replaced [][2]string }

var (
	escapes = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`)
	// stamped is the beginning of a message of the harness: the seconds since the command began.
	stamped = regexp.MustCompile(`^\s*\d+\.\d+s  (.*)$`)
	// ofTheEngine are messages about how images come to this machine.
	ofTheEngine = regexp.MustCompile(`cannot be had|^Debian packages: |^installing mmdebstrap|^finishing gatelab/|` +
		`^image gatelab/|is left out: image`)
	// registries and temporary folders must not be in the picture.
	ofTheMachine = regexp.MustCompile(`/tmp/[\w./-]+|/home/[\w./-]+|(?:[\w-]+\.)*registry[\w-]*(?:\.[\w-]+)+|[Ee]rror response from daemon`)
)

// continued is what a row begins with that goes on with a message of the row before.
const continued = "         "

func (c *cleaner) parse(arg string) error {
	before, after, found := strings.Cut(arg, "=")
	if !found || before == "" {
		return errors.New("want OLD=NEW")
	}
	c.replaced = append(c.replaced, [2]string{before, after})
	return nil
}

// frames are the screens without those lines. Screens that no longer differ from the one before are left out.
func (c *cleaner) frames(all []frame) []frame {
	var out []frame
	for _, f := range all {
		f.rows = c.rows(f.rows)
		if len(out) == 0 || !slices.Equal(out[len(out)-1].rows, f.rows) {
			out = append(out, f)
		}
	}
	return out
}

// shortened has no pause longer than most: the time in which lines were written that are left out.
func shortened(all []frame, most time.Duration) []frame {
	out := slices.Clone(all)
	var less time.Duration
	for i := 1; i < len(all); i++ {
		less += max(0, all[i].at-all[i-1].at-most)
		out[i].at = all[i].at - less
	}
	return out
}

// rows are those of one screen. A row at its top that goes on with a message whose beginning has been scrolled away is left out as well.
func (c *cleaner) rows(all []string) []string {
	var out []string
	dropping := true
	for _, row := range all {
		plain := escapes.ReplaceAllString(row, "")
		message := stamped.FindStringSubmatch(plain)
		switch {
		case message != nil:
			dropping = ofTheEngine.MatchString(message[1])
		case !strings.HasPrefix(plain, continued):
			dropping = false
		}
		if dropping {
			continue
		}
		for _, r := range c.replaced {
			row = strings.ReplaceAll(row, r[0], r[1])
		}
		out = append(out, row)
	}
	return out
}

// left is what a picture still tells of this machine.
func (c *cleaner) left(text string) []string {
	found := ofTheMachine.FindAllString(text, -1)
	for _, r := range c.replaced {
		if strings.Contains(text, r[0]) {
			found = append(found, r[0])
		}
	}
	for _, word := range []string{os.Getenv("HOME"), hostname()} {
		if len(word) > 4 && strings.Contains(text, word) {
			found = append(found, word)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}
