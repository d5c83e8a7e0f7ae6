package dashboards

// limitsTokensRow is what ai-rate-limiting counts.
func limitsTokensRow() Row {
	quantile := func(q, metric string) string {
		return "histogram_quantile(" + q + ", sum by (service, le) (rate(" + metric + "_bucket{" + gateways + "}[$__rate_interval])))"
	}
	return Row{"Tokens of language models", []Panel{
		{
			Title: "Tokens", Unit: "short", Stacked: true,
			Queries: []Query{{perSecond("gateway_ai_tokens_total", gateways, "model, kind"), "{{model}} {{kind}}"}},
			Help: "Tokens per second that answers told. A model that suddenly costs more: a client with longer prompts, or one " +
				"without max_tokens.",
		},
		{
			Title: "Time to the first token", Unit: "s",
			Queries: []Query{
				{quantile("0.5", "gateway_ai_time_to_first_token_seconds"), "{{service}} p50"},
				{quantile("0.99", "gateway_ai_time_to_first_token_seconds"), "{{service}} p99"},
			},
			Help: "Of streams, from asking the upstream to its first event. A rise with unchanged tokens per second: the " +
				"provider queues requests.",
		},
		{
			Title: "Tokens per second of a stream", Unit: "short",
			Queries: []Query{{quantile("0.5", "gateway_ai_tokens_per_second"), "{{service}} p50"}},
			Help:    "How fast a model writes once it has begun. Lower for all models at once: the provider is overloaded.",
		},
		{
			Title: "Estimated usage, lost corrections", Unit: "ops", Warn: at(1),
			Queries: []Query{
				{perSecond("gateway_ai_usage_estimated_total", gateways, "instance"), "{{instance}} estimated"},
				{perSecond("gateway_ai_rate_limit_corrections_lost_total", gateways, "instance"), "{{instance}} lost"},
			},
			Help: "Estimated: answers without usage; ask for it in streams (stream_options). Lost: Redis did not take a " +
				"correction, so that limits count reserved tokens.",
		},
	}}
}
