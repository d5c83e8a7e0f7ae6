package scale

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxTrace bounds the commands that are kept for a replay; all are counted.
const maxTrace = 20_000

// trace is what clients had Redis do in a time.
type trace struct {
	count map[string]uint64 // by command, in lower case; commands inside scripts are left out
	kept  map[string][][]any
	held  int
}

// total is how many commands were counted.
func (t *trace) total() (n uint64) {
	for _, c := range t.count {
		n += c
	}
	return n
}

// lists are the kept commands of each client in their order, the longest first. A transaction stays on one connection that way.
func (t *trace) lists() [][][]any {
	var out [][][]any
	for _, one := range t.kept {
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b [][]any) int { return len(b) - len(a) })
	return out
}

// ofConnection are commands that are about a connection, not about data: they belong to no request.
var ofConnection = []string{
	"hello", "auth", "client", "select", "ping", "subscribe", "unsubscribe", "psubscribe", "monitor", "info", "command", "readonly", "quit",
}

// lastWithin is how long the lines of the last commands may take when a recording ends.
const lastWithin = 5 * time.Second

// record collects the commands of all clients through MONITOR until ctx ends, which is no error. ready is called when it has begun. All
// that Redis executed before ctx ended is there: the reply to a PING comes after it.
func record(ctx context.Context, addr string, ready func()) (*trace, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("monitor: %w", err)
	}
	_ = c.SetDeadline(time.Now().Add(lastWithin)) // of the greeting
	defer c.Close()
	if _, err := io.WriteString(c, "*1\r\n$7\r\nMONITOR\r\n"); err != nil {
		return nil, fmt.Errorf("monitor: %w", err)
	}
	lines := bufio.NewReaderSize(c, 1<<20)
	first, err := lines.ReadString('\n')
	if err != nil || strings.TrimSpace(first) != "+OK" {
		return nil, fmt.Errorf("monitor: answered %q, error %w", strings.TrimSpace(first), err)
	}
	_ = c.SetDeadline(time.Time{})
	stop := context.AfterFunc(ctx, func() {
		_ = c.SetDeadline(time.Now().Add(lastWithin))
		_, _ = io.WriteString(c, "*1\r\n$4\r\nPING\r\n") // what fails here fails below
	})
	defer stop()
	ready()
	t := &trace{count: map[string]uint64{}, kept: map[string][][]any{}}
	for {
		text, err := lines.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("monitor: %w", err)
		}
		if text == "+PONG\r\n" {
			return t, nil
		}
		if err := t.add(text); err != nil {
			return nil, err
		}
	}
}

// add takes a line such as: +1339518083.107412 [0 127.0.0.1:60866] "get" "a key".
func (t *trace) add(text string) error {
	client, words, err := parseMonitor(text)
	if err != nil || client == "lua" || len(words) == 0 {
		return err
	}
	name := strings.ToLower(words[0])
	if slices.Contains(ofConnection, name) {
		return nil
	}
	t.count[name]++
	if t.held >= maxTrace {
		return nil
	}
	t.held++
	command := make([]any, len(words))
	for i, w := range words {
		command[i] = w
	}
	t.kept[client] = append(t.kept[client], command)
	return nil
}

// parseMonitor reads one line of MONITOR. client is "lua" for what scripts do.
func parseMonitor(text string) (client string, words []string, err error) {
	line := strings.TrimRight(strings.TrimPrefix(text, "+"), "\r\n")
	_, rest, ok := strings.Cut(line, " [")
	where, rest, closed := strings.Cut(rest, "] ")
	if !ok || !closed {
		return "", nil, fmt.Errorf("monitor: %q: want a time, [database client], and a command", line)
	}
	_, client, _ = strings.Cut(where, " ")
	for rest = strings.TrimLeft(rest, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return "", nil, fmt.Errorf("monitor: %q: want quoted words: %w", line, err)
		}
		word, err := strconv.Unquote(quoted)
		if err != nil {
			return "", nil, fmt.Errorf("monitor: %q: %w", line, err)
		}
		words, rest = append(words, word), rest[len(quoted):]
	}
	return client, words, nil
}
