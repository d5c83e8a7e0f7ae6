package dashboards

func laboratory() Board {
	const lab = `job=~"$job",instance=~"$instance"`
	return Board{
		UID: "gatelab-lab", Title: "gatelab: lab",
		Description: "What the harness does: stage, load, corrected latency, faults. Needs harness run --metrics-listen.",
		Variables: []Variable{
			{"job", "job", `label_values(harness_build_info, job)`},
			{"instance", "harness", `label_values(harness_build_info{job=~"$job"}, instance)`},
			{"scenario", "scenario", `label_values(harness_stage_active{job=~"$job"}, scenario)`},
		},
		Rows: []Row{
			{"Run", []Panel{
				{Title: "Stage", Kind: States, Unit: "bool_yes_no", Width: 12, Queries: []Query{{`harness_stage_active{` + lab + `,scenario=~"$scenario"}`, "{{scenario}} {{stage}}"}},
					Help: "Which stage is measured. Nothing: no run, or it was started without --metrics-listen."},
				{Title: "Faults", Kind: States, Unit: "bool_yes_no", Width: 12, Warn: at(1), Queries: []Query{{`harness_fault_active{` + lab + `}`, "{{kind}} {{target}}"}},
					Help: "What is broken on purpose now. One that stays on after its time: the target did not recover, look at its log before the lab is removed."},
			}},
			{"Load", []Panel{
				{Title: "Offered and achieved", Unit: "reqps", Queries: []Query{{`harness_offered_rate{` + lab + `}`, "offered"}, {`harness_achieved_rate{` + lab + `}`, "achieved"}},
					Help: "Open loop: achieved must lie on offered, otherwise requests fail or the system is over its capacity. In a closed loop nothing is offered."},
				{Title: "Outcomes", Unit: "reqps", Stacked: true, Queries: []Query{{perSecond("harness_requests_total", lab, "outcome"), "{{outcome}}"}},
					Help: "limited is the flood that limits are meant to stop. error: time-outs, wrong answers, the origin's 429s; the report has them by kind."},
				{Title: "Latency of successes", Unit: "s", Warn: at(0.18), Queries: []Query{{`harness_latency_seconds{` + lab + `}`, "{{kind}} p{{quantile}}"}},
					Help: "Of the last full second. corrected counts from when a request should have been sent: if it is far above what the gateway says of itself, requests queue before it."},
			}},
		},
	}
}
