package measure

import "testing"

func TestState(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		why   string
		reset *bool
		warm  string
		want  Verdict
	}{
		{"nobody looked", nil, "", Skipped},
		{"it was empty", &yes, "", OK},
		{"something was left over", &no, "", Invalid},
		{"what is warm by design is not called reset", &yes, "warm", Skipped},
		{"a design excuses nothing that was there before it", &no, "warm", Invalid},
	} {
		got := Facts{StateReset: c.reset, Warm: c.warm}.state()
		if got.Verdict != c.want {
			t.Errorf("%s: %s (%s), want %s", c.why, got.Verdict, got.Saw, c.want)
		}
	}
}
