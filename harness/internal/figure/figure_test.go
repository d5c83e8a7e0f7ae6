package figure

import "testing"

func p[T any](v T) *T { return &v }

func TestFigures(t *testing.T) {
	tests := []struct{ name, got, want string }{
		{name: "thousands are grouped", got: Rounded(1_234_567), want: "1,234,567"},
		{name: "above a hundred there are no fractions", got: Rounded(188.6), want: "189"},
		{name: "between, three digits", got: Rounded(31.42), want: "31.4"},
		{name: "zeros at the end say nothing", got: Rounded(25), want: "25"},
		{name: "small figures keep two digits", got: Rounded(0.0123), want: "0.012"},
		{name: "rounding up does not add a digit", got: Rounded(99.96), want: "100"},
		{name: "zero was measured", got: RoundedOr(p(0.0)), want: "0"},
		{name: "nil was not", got: RoundedOr(nil), want: "n/a"},
		{name: "negative", got: Grouped(-1234), want: "-1,234"},
		{name: "a percent", got: Percent(0.032), want: "3.2%"},
		{name: "a small share", got: Percent(0.000335), want: "0.034%"},
		{name: "a smaller share", got: Percent(0.0000021), want: "0.00021%"},
		{name: "nearly all is never shown as all", got: Percent(0.9999999), want: "99.999%"},
		{name: "published availability", got: Percent(0.9998), want: "99.98%"},
		{name: "all", got: Percent(1), want: "100%"},
		{name: "none", got: Percent(0), want: "0%"},
		{name: "a large ratio", got: Times(p(61.4)), want: "61x"},
		{name: "a ratio", got: Times(p(1.26)), want: "1.3x"},
		{name: "below one", got: Times(p(0.82)), want: "0.82x"},
		{name: "seconds", got: Millis(2000), want: "2.0 s"},
		{name: "milliseconds", got: Millis(450), want: "450 ms"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.got != test.want {
				t.Errorf("got %q, want %q", test.got, test.want)
			}
		})
	}
}
