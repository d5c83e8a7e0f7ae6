package measure

import "testing"

func TestState(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		name  string
		reset *bool
		warm  string
		want  Verdict
	}{
		{name: "state that was not looked at", reset: nil, warm: "", want: Skipped},
		{name: "it was empty", reset: &yes, warm: "", want: OK},
		{name: "something was left over", reset: &no, warm: "", want: Invalid},
		{name: "what is warm by design is not called reset", reset: &yes, warm: "warm", want: Skipped},
		{name: "a design excuses nothing that was there before it", reset: &no, warm: "warm", want: Invalid},
	} {
		got := Facts{StateReset: c.reset, Warm: c.warm}.state()
		if got.Verdict != c.want {
			t.Errorf("%s: %s (%s), want %s", c.name, got.Verdict, got.Saw, c.want)
		}
	}
}
