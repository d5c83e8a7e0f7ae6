package suggest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/internal/suggest"
)

func ExampleUnknown() {
	fmt.Println(suggest.Unknown("stage", "mutli", []string{"baseline", "cache", "multi"}))
	// Output: unknown stage "mutli" (did you mean "multi"?): want one of baseline, cache, multi
}

func TestNearest(t *testing.T) {
	known := []string{"kill", "pause", "kill-gateway", "cpu"}
	for _, row := range []struct{ name, given, want string }{
		{name: "one letter is missing", given: "kil", want: "kill"},
		{name: "two letters are swapped", given: "puase", want: "pause"},
		{name: "the words in another order", given: "gateway_kill", want: "kill-gateway"},
		{name: "the same", given: "cpu", want: "cpu"},
		{name: "a short word is not near everything", given: "cat", want: ""},
		{name: "far from all", given: "network", want: ""},
		{name: "too long to be a name", given: strings.Repeat("kill", 20), want: ""},
		{name: "nothing", given: "", want: ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := suggest.Nearest(row.given, known); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

func TestUnknownWithoutAnyName(t *testing.T) {
	if got := suggest.Unknown("node", "lb", nil).Error(); got != `unknown node "lb": want one of none` {
		t.Errorf("got %s", got)
	}
}
