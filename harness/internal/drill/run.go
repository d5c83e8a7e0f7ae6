package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Case is one trouble, and the alerts that it must raise.
type Case struct {
	Alert string
	// Also must be raised by the same trouble: each has an Outcome of its own.
	Also  []string
	Fault string // in words, for the result
	// Break causes the alerts' condition, Mend ends it. Mend is called whenever
	// Break was, with a context that a cancelled drill does not end.
	Break, Mend func(ctx context.Context) error
	// Beside may fire too: the same trouble seen by another alert.
	Beside            []string
	FireIn, ResolveIn time.Duration // how long to wait
}

// alerts are all that must fire and resolve.
func (c *Case) alerts() []string { return append([]string{c.Alert}, c.Also...) }

// Outcome is what came of one alert of a case.
type Outcome struct {
	Alert, Fault string
	ToFire       time.Duration // from the moment it was broken until the receiver heard of it
	ToResolve    time.Duration // from the moment it was mended until the last of its instances had ended
	Beside       []string      // fired too, as may be
	Unexpected   []string      // fired too, and should not have
	Err          error         // it did not fire, did not resolve, or could not be broken
}

// OK tells whether the alert did what it is for, and no other did.
func (o *Outcome) OK() bool { return o.Err == nil && len(o.Unexpected) == 0 }

// mendIn bounds how long a mend may take after a cancelled drill.
const mendIn = time.Minute

// Run tries the cases out, one after the other, each from a quiet start. It
// goes on after a case that failed; the error is the context's.
func Run(ctx context.Context, s *Stack, cases []Case, told func(string)) ([]Outcome, error) {
	if told == nil {
		told = func(string) {}
	}
	var out []Outcome
	for i := range cases {
		out = append(out, s.try(ctx, &cases[i], told)...)
		if ctx.Err() != nil {
			return out, context.Cause(ctx)
		}
	}
	return out, nil
}

// try returns an outcome for each alert of the case. What else fired is told
// with the first one only: it is one trouble.
func (s *Stack) try(ctx context.Context, c *Case, told func(string)) []Outcome {
	out := make([]Outcome, 0, 1+len(c.Also))
	for _, name := range c.alerts() {
		out = append(out, Outcome{Alert: name, Fault: c.Fault})
	}
	if err := s.quiet(ctx, c.ResolveIn); err != nil {
		for i := range out {
			out[i].Err = fmt.Errorf("before: %w", err)
		}
		return out
	}
	began := time.Now()
	told(fmt.Sprintf("%s: %s", strings.Join(c.alerts(), ", "), c.Fault))
	mended := s.breakAndMend(ctx, c, out)
	for i := range out {
		if out[i].Err == nil {
			s.resolve(ctx, &out[i], mended, c.ResolveIn)
		}
		if out[i].Err == nil {
			told(fmt.Sprintf("%s: fired after %.1f s, resolved after %.1f s", out[i].Alert, out[i].ToFire.Seconds(), out[i].ToResolve.Seconds()))
		} else {
			told(fmt.Sprintf("%s: %v", out[i].Alert, out[i].Err))
		}
	}
	// What the trouble set off may come a little after the alert itself.
	if err := s.quiet(ctx, c.ResolveIn); err != nil && out[0].Err == nil {
		out[0].Err = fmt.Errorf("after: %w", err)
	}
	s.others(c, &out[0], began)
	return out
}

// others finds what else fired.
func (s *Stack) others(c *Case, o *Outcome, began time.Time) {
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

// breakAndMend waits until every alert has fired, and returns when it was
// mended.
func (s *Stack) breakAndMend(ctx context.Context, c *Case, out []Outcome) (mended time.Time) {
	fail := func(err error) {
		for i := range out {
			out[i].Err = errors.Join(out[i].Err, err)
		}
	}
	defer func() {
		mending, cancel := context.WithTimeout(context.WithoutCancel(ctx), mendIn)
		defer cancel()
		mended = time.Now()
		if err := c.Mend(mending); err != nil {
			fail(fmt.Errorf("mend: %w", err))
		}
	}()
	broken := time.Now()
	if err := c.Break(ctx); err != nil {
		fail(fmt.Errorf("break: %w", err))
		return mended
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.FireIn, fmt.Errorf("nothing was heard in %s", c.FireIn))
	defer cancel()
	for i := range out {
		n, err := s.Receiver.Wait(ctx, out[i].Alert, true, broken)
		if err != nil {
			out[i].Err = fmt.Errorf("did not fire: %w", err)
			continue
		}
		out[i].ToFire = n.At.Sub(broken)
	}
	return mended
}

// resolve waits until no instance of an alert fires any more.
func (s *Stack) resolve(ctx context.Context, o *Outcome, mended time.Time, most time.Duration) {
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("it still fires after %s", most))
	defer cancel()
	at, err := s.Receiver.Ended(ctx, o.Alert)
	if err != nil {
		o.Err = fmt.Errorf("did not resolve: %w", err)
		return
	}
	o.ToResolve = max(at.Sub(mended), 0)
}

// quiet waits until no alert is pending or firing.
func (s *Stack) quiet(ctx context.Context, most time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, most)
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

// Table writes the outcomes for a person to read.
func Table(w io.Writer, scale Scale, outcomes []Outcome) error {
	if _, err := fmt.Fprintf(w, "Rules with windows and waits divided by %g, scraped every %s: times to fire and to resolve are the drill's, not production's.\n\n| alert | fault | to fire | to resolve | fired beside it | unexpected | |\n|---|---|---:|---:|---|---|---|\n",
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
