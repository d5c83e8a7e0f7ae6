package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// fakeBalancers are load balancers whose standings are fixed.
type fakeBalancers struct {
	standings map[string]Standing
	set       []string // target and health, in the order of calls
}

func (f *fakeBalancers) Standings(string) map[string]Standing { return f.standings }

func (f *fakeBalancers) SetHealth(_, target string, healthy bool) {
	f.set = append(f.set, fmt.Sprint(target, " ", healthy))
}

type fakeMessenger struct {
	sent []string
	err  error
}

func (f *fakeMessenger) Publish(_ context.Context, text string) error {
	f.sent = append(f.sent, text)
	return f.err
}

func TestTargetsTellOtherReplicas(t *testing.T) {
	here, there := &fakeBalancers{}, &fakeBalancers{}
	messages, log := &fakeMessenger{}, &strings.Builder{}
	sender := NewTargets(here, messages, slog.New(slog.DiscardHandler))
	receiver := NewTargets(there, messages, slog.New(slog.NewTextHandler(log, nil)))
	if err := sender.SetHealth(t.Context(), "id", "10.0.0.1:80", false); err != nil {
		t.Fatal(err)
	}
	for _, text := range messages.sent {
		receiver.Receive(text)
	}
	if want := "[10.0.0.1:80 false]"; fmt.Sprint(here.set) != want || fmt.Sprint(there.set) != want {
		t.Errorf("set here: %v, there: %v; want %s", here.set, there.set, want)
	}
	receiver.Receive("{")
	if len(there.set) != 1 || !strings.Contains(log.String(), "unknown message") {
		t.Errorf("after an unknown message: %v, log %s", there.set, log)
	}
	messages.err = errors.New("away")
	if err := sender.SetHealth(t.Context(), "id", "10.0.0.1:80", true); !errors.Is(err, messages.err) {
		t.Errorf("got %v, want that the others were not told", err)
	}
	if len(here.set) != 2 {
		t.Error("the health was not set here")
	}
}
