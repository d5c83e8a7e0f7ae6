package alerting

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Case is one disruption, and the alerts that it must cause.
type Case struct {
	Alert string
	// Also are further alerts that the disruption must cause: each has an Outcome of its own.
	Also  []string
	Fault string // in words, for the result
	// Break causes the alerts' condition, Restore ends it. Restore is called whenever Break was, with a context that does not end when
	// the drill is cancelled.
	Break, Restore func(ctx context.Context) error
	// Beside are alerts that may fire too, because they detect the same disruption.
	Beside            []string
	FireIn, ResolveIn time.Duration // time limits
}

// alerts are all alerts that must fire and resolve.
func (c *Case) alerts() []string { return append([]string{c.Alert}, c.Also...) }

// Outcome is the outcome of one alert of a case.
type Outcome struct {
	Alert, Fault string
	ToFire       time.Duration // from the disruption until the notification
	ToResolve    time.Duration // from the end of the disruption until the notification that its last instance is resolved
	Beside       []string      // alerts that fired too, as they may
	Unexpected   []string      // alerts that fired too, and should not have
	Err          error         // the alert did not fire or resolve, or its condition could not be caused
}

// OK says whether the alert fired and resolved, and no unexpected one fired.
func (o *Outcome) OK() bool { return o.Err == nil && len(o.Unexpected) == 0 }

// restoreWithin is the time limit of Restore, also after a cancelled drill.
const restoreWithin = time.Minute

// Run carries out the cases one after another, each when no alert is active any more. A case that fails does not keep the others from
// running; the error is the context's, and without an outcome is what it cut short. progress receives a line for each event and may be nil.
func Run(ctx context.Context, s *Stack, cases []Case, progress func(string)) ([]Outcome, error) {
	if progress == nil {
		progress = func(string) {}
	}
	var out []Outcome
	for i := range cases {
		done := s.run(ctx, &cases[i], progress)
		if ctx.Err() != nil { // what the end of the drill kept from firing or resolving was not tried
			done = slices.DeleteFunc(done, func(o Outcome) bool { return o.Err != nil })
			return append(out, done...), context.Cause(ctx)
		}
		out = append(out, done...)
	}
	return out, nil
}

// run returns an outcome for each alert of the case. Other alerts that fired are in the first one only, because it is one disruption.
func (s *Stack) run(ctx context.Context, c *Case, progress func(string)) []Outcome {
	out := make([]Outcome, 0, 1+len(c.Also))
	for _, name := range c.alerts() {
		out = append(out, Outcome{Alert: name, Fault: c.Fault})
	}
	if err := s.waitInactive(ctx, c.ResolveIn); err != nil {
		for i := range out {
			out[i].Err = fmt.Errorf("before: %w", err)
		}
		return out
	}
	began := time.Now()
	progress(fmt.Sprintf("%s: %s", strings.Join(c.alerts(), ", "), c.Fault))
	ended := s.disrupt(ctx, c, out)
	for i := range out {
		if out[i].Err == nil {
			s.waitResolved(ctx, &out[i], ended, c.ResolveIn)
		}
		if out[i].Err == nil {
			progress(fmt.Sprintf("%s: fired after %.1f s, resolved after %.1f s",
				out[i].Alert, out[i].ToFire.Seconds(), out[i].ToResolve.Seconds()))
		} else {
			progress(fmt.Sprintf("%s: %v", out[i].Alert, out[i].Err))
		}
	}
	// Other alerts of the disruption may fire a little later.
	if err := s.waitInactive(ctx, c.ResolveIn); err != nil && out[0].Err == nil && ctx.Err() == nil {
		out[0].Err = fmt.Errorf("after: %w", err)
	}
	s.addOthers(c, &out[0], began)
	return out
}

// addOthers adds the other alerts that fired since the case began.
func (s *Stack) addOthers(c *Case, o *Outcome, began time.Time) {
	for _, n := range s.Receiver.Since(began) {
		if !n.Firing || slices.Contains(c.alerts(), n.Alert) {
			continue
		}
		list := &o.Unexpected
		if slices.Contains(c.Beside, n.Alert) {
			list = &o.Beside
		}
		if !slices.Contains(*list, n.Alert) {
			*list = append(*list, n.Alert)
		}
	}
}

// disrupt causes the condition, waits until every alert has fired, ends the condition, and returns the time at which it began to end it.
func (s *Stack) disrupt(ctx context.Context, c *Case, out []Outcome) (ended time.Time) {
	fail := func(err error) {
		for i := range out {
			out[i].Err = errors.Join(out[i].Err, err)
		}
	}
	defer func() {
		restoring, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreWithin)
		defer cancel()
		ended = time.Now()
		if err := c.Restore(restoring); err != nil {
			fail(fmt.Errorf("restore: %w", err))
		}
	}()
	began := time.Now()
	if err := c.Break(ctx); err != nil {
		fail(fmt.Errorf("break: %w", err))
		return ended
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.FireIn, fmt.Errorf("no notification in %s", c.FireIn))
	defer cancel()
	for i := range out {
		n, err := s.Receiver.Wait(ctx, out[i].Alert, true, began)
		if err != nil {
			out[i].Err = fmt.Errorf("did not fire: %w", err)
			continue
		}
		out[i].ToFire = n.At.Sub(began)
	}
	return ended
}

// waitResolved waits until no instance of an alert fires any more.
func (s *Stack) waitResolved(ctx context.Context, o *Outcome, ended time.Time, within time.Duration) {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("it still fires after %s", within))
	defer cancel()
	at, err := s.Receiver.Ended(ctx, o.Alert)
	if err != nil {
		o.Err = fmt.Errorf("did not resolve: %w", err)
		return
	}
	o.ToResolve = max(at.Sub(ended), 0)
}

// waitInactive waits until no alert is pending or firing.
func (s *Stack) waitInactive(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(s.scale.Scrape)
	defer tick.Stop()
	for {
		active, err := s.Active(ctx)
		if err == nil && len(active) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("alerts that are still active: %v (%w)", active, errors.Join(context.Cause(ctx), err))
		case <-tick.C:
		}
	}
}

// Table writes the outcomes as a Markdown table.
func Table(w io.Writer, scale Scale, outcomes []Outcome) error {
	if _, err := fmt.Fprintf(w, "Rules with windows and waits divided by %g, scraped every %s: "+
		"times to fire and to resolve are the drill's, not production's.\n\n"+
		"| alert | fault | to fire | to resolve | fired beside it | unexpected | |\n|---|---|---:|---:|---|---|---|\n",
		scale.Factor, scale.Scrape); err != nil {
		return err
	}
	seconds := func(d time.Duration) string {
		if d == 0 {
			return "-"
		}
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	for i := range outcomes {
		o := &outcomes[i]
		verdict := "ok"
		switch {
		case o.Err != nil:
			verdict = strings.ReplaceAll(o.Err.Error(), "\n", "; ")
		case !o.OK():
			verdict = "others fired"
		}
		if _, err := fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s |\n", o.Alert, o.Fault, seconds(o.ToFire), seconds(o.ToResolve),
			strings.Join(o.Beside, ", "), strings.Join(o.Unexpected, ", "), verdict); err != nil {
			return err
		}
	}
	return nil
}
