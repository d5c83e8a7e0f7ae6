package dashboards

// harnesses matches the series of the harness.
const harnesses = `job=~"$job",instance=~"$instance"`

func laboratory() Board {
	return Board{
		UID: "gatelab-lab", Title: "gatelab: lab",
		Description: "The harness: stage, load, corrected latency, faults. Needs harness run --metrics-listen.",
		Variables: []Variable{
			{"job", "job", `label_values(harness_build_info, job)`},
			{"instance", "harness", `label_values(harness_build_info{job=~"$job"}, instance)`},
			{"scenario", "scenario", `label_values(harness_stage_active{job=~"$job"}, scenario)`},
		},
		Rows: []Row{labRunRow(), labLoadRow()},
	}
}

func labRunRow() Row {
	return Row{"Run", []Panel{
		{
			Title: "Stage", Kind: States, Unit: "bool_yes_no", Width: 12,
			Queries: []Query{{`harness_stage_active{` + harnesses + `,scenario=~"$scenario"}`, "{{scenario}} {{stage}}"}},
			Help:    "The stage that is measured. Empty: no run, or it was started without --metrics-listen.",
		},
		{
			Title: "Faults", Kind: States, Unit: "bool_yes_no", Width: 12, Warn: at(1),
			Queries: []Query{{`harness_fault_active{` + harnesses + `}`, "{{kind}} {{target}}"}},
			Help: "Faults that are injected now. One that stays active after its duration: the target did not recover, read " +
				"its log before the lab is removed.",
		},
	}}
}

func labLoadRow() Row {
	return Row{"Load", []Panel{
		{
			Title: "Offered and achieved", Unit: "reqps",
			Queries: []Query{
				{`harness_offered_rate{` + harnesses + `}`, "offered"},
				{`harness_achieved_rate{` + harnesses + `}`, "achieved"},
			},
			Help: "Open loop: achieved must equal offered, otherwise requests fail or the system is over its capacity. A " +
				"closed loop has no offered rate.",
		},
		{
			Title: "Outcomes", Unit: "reqps", Stacked: true,
			Queries: []Query{{perSecond("harness_requests_total", harnesses, "outcome"), "{{outcome}}"}},
			Help: "limited: the flood that rate limits are meant to stop. error: time-outs, wrong responses, the origin's " +
				"429s; the report lists them by kind.",
		},
		{
			Title: "Latency of successes", Unit: "s", Warn: at(0.18),
			Queries: []Query{{`harness_latency_seconds{` + harnesses + `}`, "{{kind}} p{{quantile}}"}},
			Help: "Of the last full second. corrected is measured from when a request should have been sent: if it is far " +
				"above the gateway's own latency, requests queue before the gateway.",
		},
	}}
}
