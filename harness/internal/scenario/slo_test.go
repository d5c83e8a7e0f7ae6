package scenario

import (
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/slo"
)

// withSLO is a scenario with a text below slo, and a profile that changes it.
func withSLO(text, profile string) []byte {
	return []byte(`name: small
stages: [{name: calm}]
entities: {services: []}
workload: {requests: [{name: login, path: /a}, {name: list, path: /b}]}
load: {open: {rate: 10, duration: 1s}, probe: {rate: 5}}
slo: ` + text + "\nprofiles:\n  smoke: {" + profile + "}\n")
}

func TestEveryFormOfObjectives(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{name: "the map of old files", text: "{p99: 180ms, error_rate: 0.002}", want: "p99<=180ms,errors<=0.2%"},
		{name: "a long time", text: "{p99: 1m30s}", want: "p99<=90s"},
		{name: "zero asks nothing", text: "{p99: 0, error_rate: 0, p50: 1ms}", want: "p50<=1ms"},
		{name: "all may fail", text: "{error_rate: 1}", want: "errors<=100%"},
		{name: "a text", text: "p99 < 250ms, errors < 2%", want: "p99<250ms,errors<2%"},
		{name: "a list", text: `["p99 < 250ms, errors < 2%", "p99{login} < 1s"]`, want: "p99<250ms,errors<2%,p99{login}<1s"},
		{
			name: "limits of one request", text: `{p99: 250ms, "p99{login}": 400ms, "errors{list}": 1%}`,
			want: "p99<=250ms,p99{login}<=400ms,errors{list}<=1%",
		},
		{name: "what is better the higher", text: "{availability: 99.9%, qps: 500}", want: "availability>=99.9%,qps>=500"},
		{name: "with its comparison", text: `{p99: "<1s", cpu: <200us}`, want: "p99<1s,cpu<200us"},
		{name: "nothing", text: "", want: ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, err := Parse("small.yaml", withSLO(row.text, ""))
			if err != nil {
				t.Fatal(err)
			}
			plan, err := s.Plan("")
			if err != nil || plan[0].SLO.String() != row.want {
				t.Errorf("%s, %v: want %s", plan[0].SLO, err, row.want)
			}
		})
	}
}

func TestAProfileChangesOneLimitOfAMap(t *testing.T) {
	s, err := Parse("small.yaml", withSLO("{p99: 180ms, errors: 1%}", "slo: {p99: 2s}"))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := s.Plan("smoke")
	if want := "p99<=2s,errors<=1%"; err != nil || plan[0].SLO.String() != want {
		t.Errorf("%s, %v: want %s", plan[0].SLO, err, want)
	}
}

func TestMistakesInObjectivesHaveTheirPlace(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{
			name: "a text", text: "p99<1s, p98<50ms",
			want: `small.yaml:6:6: slo: "p98<50ms" is not allowed: column 9 of the text: unknown metric "p98" (did you mean "p99"?)`,
		},
		{
			name: "an item", text: "[p99<1s, p99<2s]",
			want: `small.yaml:6:15: slo[1]: "p99<2s" is not allowed: there is an objective of the same already`,
		},
		{name: "a key", text: "{p98: 1s}", want: `slo.p98: unknown metric "p98" (did you mean "p99"?)`},
		{name: "a limit", text: "{p99: fast}", want: `slo.p99: the limit "fast" is not allowed: p99 wants a time`},
		{name: "a map for a limit", text: "{p99: {a: 1}}", want: "slo.p99: a map is not allowed: want a limit, as in p99<250ms"},
		{name: "under two names", text: "{errors: 1%, error_rate: 0.1}", want: "slo.error_rate: is there under another name already"},
		{name: "a number", text: "5", want: "slo: 5 is not allowed: want objectives"},
		{
			name: "a request that there is not", text: `"p99{logn}<1s"`,
			want: `slo: "p99{logn}<1s" is not allowed: unknown request "logn" (did you mean "login"?): want one of login, list`,
		},
		{name: "a role that there is not", text: `"cpu{gatewy}<1ms"`, want: `unknown role of nodes "gatewy" (did you mean "gateway"?)`},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := Parse("small.yaml", withSLO(row.text, ""))
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("%v\nwant %s", err, row.want)
			}
		})
	}
}

func TestAvailabilityWantsAProbe(t *testing.T) {
	text := strings.Replace(string(withSLO("{availability: 99%}", "")), ", probe: {rate: 5}", "", 1)
	_, err := Parse("small.yaml", []byte(text))
	if err == nil || !strings.Contains(err.Error(), "no probe measures it: want load.probe.rate above 0") {
		t.Errorf("%v", err)
	}
	if err := (&Stage{}).CheckObjectives(slo.Objectives{slo.At(slo.Availability, "", 0.99)}); err == nil {
		t.Error("a stage without a probe takes it")
	}
}
