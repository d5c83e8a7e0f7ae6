package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestSpans(t *testing.T) {
	for row, want := range map[string]string{
		"plain <text>":                   "plain &lt;text&gt;",
		"\x1b[1m\x1b[31mbad\x1b[0m good": `<tspan fill="#ff7b72" font-weight="bold">bad</tspan> good`,
		"\x1b[2;92mdim\x1b[39mer\x1b[m":  `<tspan fill="#7ee787" opacity="0.7">dim</tspan><tspan opacity="0.7">er</tspan>`,
		"\x1b[Kcut \x1b[":                "cut",
	} {
		if got := spansOf(row); got != want {
			t.Errorf("%q: %s, want %s", row, got, want)
		}
	}
}

func TestDrawingIsXMLWithEveryFrame(t *testing.T) {
	frames := []frame{{0, []string{"a & b"}}, {2 * time.Second, []string{"", "\x1b[32mdone\x1b[0m"}}}
	text := drawing{columns: 20, lines: 3, speed: 4}.svg(frames, `echo "<x>"`)
	groups := 0
	decoder := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "g" {
			groups++
		}
	}
	// The second begins after half a second of 6.5.
	if groups != 2 || !strings.Contains(text, "7.692%{visibility:visible}") {
		t.Errorf("%d groups in %s", groups, text)
	}
}

func TestRecordingOfATerminal(t *testing.T) {
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is not installed: the recording of a command would have been tested")
	}
	s := screen{session: "recording-test"}
	defer s.close()
	if err := s.open(t.Context(), 40, 5, "printf 'one\\n'; sleep 1; printf '\\033[31mtwo\\033[0m\\n'"); err != nil {
		t.Fatal(err)
	}
	frames, err := s.watch(t.Context(), 50*time.Millisecond)
	if err != nil || len(frames) < 2 {
		t.Fatalf("%v, %v", frames, err)
	}
	last := strings.Join(frames[len(frames)-1].rows, "\n")
	if !strings.Contains(last, "one") || !strings.Contains(spansOf(strings.Split(last, "\n")[1]), "two") {
		t.Errorf("the last screen is %q", last)
	}
}
