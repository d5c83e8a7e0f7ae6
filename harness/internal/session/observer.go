package session

import (
	"fmt"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/load"
)

// Kind of an Event.
type Kind string

// The kinds of events, with the fields of Event that they have beside At.
const (
	Begin      Kind = "begin"       // the run's name and profile, in Text
	Step       Kind = "step"        // something was done, in Text
	Working    Kind = "working"     // what is under way, in Text: for readers without a terminal, when nothing else was told for a while
	StageBegin Kind = "stage-begin" // Scenario and Stage: a stage is set up and measured
	StageEnd   Kind = "stage-end"   // likewise
	Progress   Kind = "progress"    // Stage, Attack, Progress and Unmeasured: the state of an attack
	Fault      Kind = "fault"       // Fault and FaultStep
	Verdict    Kind = "verdict"     // a comparison's or an alert's, in Text
	End        Kind = "end"         // Valid if there is a report, else Text may say what went wrong
)

// Event is something that happened in a session.
type Event struct {
	Kind     Kind
	At       time.Time
	RunID    string
	Text     string
	Scenario string
	Stage    string
	Attack   load.Attack
	Progress load.Progress
	// Unmeasured is an attack whose figures say nothing about the system under test: the ceiling, a warm-up, background traffic.
	Unmeasured bool
	Fault      fault.Event
	FaultStep  string // one of package fault's
	Valid      *bool
}

// Observer receives the events of a session: a console, a live log, a metrics exporter, Grafana. Observe may be called from several
// goroutines and must not block for long.
type Observer interface {
	Observe(Event)
}

// Observers pass every event on to each of them.
type Observers []Observer

// Observe implements Observer.
func (o Observers) Observe(e Event) {
	for _, one := range o {
		one.Observe(e)
	}
}

func (s *Session) observe(e Event) {
	if s.Observer == nil {
		return
	}
	e.At, e.RunID = time.Now(), s.ID
	s.Observer.Observe(e)
}

// Steps tells an observer, which may be nil, what is done outside a session.
func Steps(o Observer) func(format string, args ...any) {
	return func(format string, args ...any) {
		if o != nil {
			o.Observe(Event{Kind: Step, At: time.Now(), Text: fmt.Sprintf(format, args...)})
		}
	}
}

// Step tells that something was done.
func (s *Session) Step(format string, args ...any) {
	s.observe(Event{Kind: Step, Text: fmt.Sprintf(format, args...)})
}

// Stage tells that a stage begins; the function that it returns tells that it ended.
func (s *Session) Stage(name string) (end func()) {
	s.observe(Event{Kind: StageBegin, Scenario: s.Name, Stage: name})
	return func() { s.observe(Event{Kind: StageEnd, Scenario: s.Name, Stage: name}) }
}

// Fault tells that a fault reached a step.
func (s *Session) Fault(step string, e fault.Event) {
	s.observe(Event{Kind: Fault, FaultStep: step, Fault: e, Text: fmt.Sprintf("fault %s %s: %s", e.Kind, e.Target, step)})
}

// Verdict tells what a program decided.
func (s *Session) Verdict(format string, args ...any) {
	s.observe(Event{Kind: Verdict, Text: fmt.Sprintf(format, args...)})
}

// OneLine is an error's text without line breaks.
func OneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
