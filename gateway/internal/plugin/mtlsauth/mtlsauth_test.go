package mtlsauth

import (
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"mtls-auth.anonymous":              ".: a.Anonymous",
	"mtls-auth.ca_certificates":        ".: a.CACertificates",
	"mtls-auth.consumer_by":            ".: a.ConsumerBy",
	"mtls-auth.default_consumer":       ".: a.DefaultConsumer",
	"mtls-auth.skip_consumer_lookup":   ".: a.SkipConsumerLookup",
	"mtls-auth.authenticated_group_by": ".: a.GroupBy",
	"mtls-auth.revocation_check_mode":  "refused",
	"mtls-auth.allow_partial_chain":    "refused",
	"mtls-auth.send_ca_dn":             "refused",
	"mtls-auth.cache_ttl":              "refused",
	"mtls-auth.cert_cache_ttl":         "refused",
	"mtls-auth.http_timeout":           "refused",
	"mtls-auth.http_proxy_host":        "refused",
	"mtls-auth.http_proxy_port":        "refused",
	"mtls-auth.https_proxy_host":       "refused",
	"mtls-auth.https_proxy_port":       "refused",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{"mtls-auth": Definition().Config}, nil)
}

// TestWhatKongHasAndIsRefused says why, and what there is instead.
func TestWhatKongHasAndIsRefused(t *testing.T) {
	const ca = `"ca_certificates":["6ad3e2a5-0f4b-4d56-9a0f-5d1e8f1f7a52"]`
	refused := map[string]string{`{}`: "ca_certificates: required field missing"}
	for config, message := range map[string]string{
		`"revocation_check_mode":"STRICT"`:          "value must be SKIP: revocation is not checked: use certificates with a short lifetime",
		`"revocation_check_mode":"IGNORE_CA_ERROR"`: "value must be SKIP: ",
		`"allow_partial_chain":false`:               "value must be true: every certificate in ca_certificates is trusted",
		`"send_ca_dn":true`:                         "value must be false: the handshake names no authorities",
		`"cache_ttl":5`:                             "value must be 60: consumers are looked up in the configuration in use",
		`"http_timeout":1`:                          "value must be 30000: it is for requests about revocation, and none are made",
		`"http_proxy_host":"h"`:                     "value must be null: it is for requests about revocation",
		`"authenticated_group_by":"SAN"`:            "expected one of: CN, DN",
	} {
		refused[`{`+ca+`,`+config+`}`] = message
	}
	plugintest.Schema{
		Priority: 1600, Refused: refused,
		// As decK writes it for a Kong whose mode is SKIP, without the partial chain.
		Config: `{` + ca + `,"anonymous":null,"authenticated_group_by":"CN","cache_ttl":60,"cert_cache_ttl":60000,` +
			`"consumer_by":["username","custom_id"],"http_proxy_host":null,"http_proxy_port":null,"http_timeout":30000,` +
			`"https_proxy_host":null,"https_proxy_port":null,"revocation_check_mode":"SKIP","send_ca_dn":false,"skip_consumer_lookup":false}`,
	}.Check(t, Definition())
}
