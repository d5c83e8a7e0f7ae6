package airatelimiting

import (
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

var uses = entitytest.Uses{
	"ai-rate-limiting.limit":                     `.: json:"limit" + .Limit`,
	"ai-rate-limiting.window_size":               `.: json:"window_size" + .WindowSize`,
	"ai-rate-limiting.tokens_count_strategy":     `.: json:"tokens_count_strategy" + .TokensCount`,
	"ai-rate-limiting.identifier":                `.: json:"identifier" + .Identifier`,
	"ai-rate-limiting.header_name":               `.: json:"header_name" + .HeaderName`,
	"ai-rate-limiting.per_model":                 `.: json:"per_model" + .PerModel`,
	"ai-rate-limiting.bytes_per_token":           `.: json:"bytes_per_token" + .BytesPerToken`,
	"ai-rate-limiting.default_completion_tokens": `.: json:"default_completion_tokens" + .CompletionTokens`,
	"ai-rate-limiting.strategy":                  `.: json:"strategy" + .Strategy`,
	"ai-rate-limiting.redis":                     "elsewhere", // in redisconfig
	"ai-rate-limiting.fault_tolerant":            `.: json:"fault_tolerant" + .FaultTolerant`,
	"ai-rate-limiting.dry_run":                   `.: json:"dry_run" + .DryRun`,
	"ai-rate-limiting.hide_client_headers":       `.: json:"hide_client_headers" + .HideHeaders`,
	"ai-rate-limiting.error_code":                `.: json:"error_code" + .ErrorCode`,
	"ai-rate-limiting.error_message":             `.: json:"error_message" + .ErrorMessage`,
}

func TestSchema(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{name: Definition().Config}, nil)
	schemas := plugin.NewSet(Definition()).Catalog()
	for body, want := range map[string]string{
		`{"limit":[100],"window_size":[60,3600]}`:                           "window_size: must have as many elements as limit",
		`{"limit":[100],"window_size":[60],"strategy":"redis"}`:             "redis.host: required field missing",
		`{"limit":[100],"window_size":[60],"identifier":"header"}`:          "header_name: required field missing",
		`{"limit":[0],"window_size":[60]}`:                                  "limit: value should be between",
		`{"limit":[],"window_size":[]}`:                                     "length must be at least 1",
		`{"limit":[100],"window_size":[60],"tokens_count_strategy":"cost"}`: "expected one of: total_tokens, prompt_tokens, completion_tokens",
		`{"limit":[100],"window_size":[60],"error_code":200}`:               "error_code: value should be between 400 and 599",
	} {
		_, err := entitytest.Insert(t, schemas, "plugins", `{"name":"ai-rate-limiting","config":`+body+`}`)
		entitytest.Refused(t, err, want)
	}
}
