// Package mtlsauth is Kong's plugin mtls-auth: a consumer is known by the certificate that
// the client shows in the TLS handshake.
package mtlsauth

import (
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// What of a consumer a name in the certificate is compared with.
const (
	byUsername = "username"
	byCustomID = "custom_id"
)

// What of the certificate is the group of a client that is no consumer.
const (
	byCommonName = "CN"
	bySubject    = "DN"
)

// Definition declares the plugin.
func Definition() plugin.Definition {
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name:       "mtls-auth",
			NoConsumer: true, // the plugin is what finds the consumer
			Config:     append(fields(), unsupported()...),
		},
		Priority: 1600,
		New:      newPlugin,
	}
}

func fields() []entity.Field {
	return []entity.Field{
		{Name: "anonymous", Kind: entity.String},
		{
			Name: "ca_certificates", Kind: entity.Array, Required: true, LenMin: 1,
			Elements: &entity.Field{Kind: entity.String, Match: "uuid"},
		},
		{
			Name: "consumer_by", Kind: entity.Array, Default: []any{byUsername, byCustomID},
			Elements: &entity.Field{Kind: entity.String, OneOf: []any{byUsername, byCustomID}},
		},
		{Name: "default_consumer", Kind: entity.String},
		{Name: "skip_consumer_lookup", Kind: entity.Boolean, Required: true, Default: false},
		{Name: "authenticated_group_by", Kind: entity.String, Default: byCommonName, OneOf: []any{byCommonName, bySubject}},
	}
}

// unsupported are Kong's fields for which there is one value here.
func unsupported() []entity.Field {
	const (
		unchecked = "revocation is not checked: use certificates with a short lifetime"
		noRequest = "it is for requests about revocation, and none are made"
		noCache   = "consumers are looked up in the configuration in use, so that nothing expires"
		anchors   = "every certificate in ca_certificates is trusted, also one whose issuer is not there: list only those whose clients may pass"
		unnamed   = "the handshake names no authorities: a client with several certificates has to be told which one to send"
	)
	only := func(name string, kind entity.Kind, value any, why string) entity.Field {
		return entity.Field{Name: name, Kind: kind, Default: value, Only: &entity.Only{Value: value, Why: why}}
	}
	revocation := only("revocation_check_mode", entity.String, "SKIP", unchecked)
	revocation.OneOf = []any{"SKIP", "IGNORE_CA_ERROR", "STRICT"}
	return []entity.Field{
		revocation,
		only("allow_partial_chain", entity.Boolean, true, anchors),
		only("send_ca_dn", entity.Boolean, false, unnamed),
		only("cache_ttl", entity.Integer, int64(60), noCache),
		only("cert_cache_ttl", entity.Integer, int64(60_000), noRequest),
		only("http_timeout", entity.Integer, int64(30_000), noRequest),
		only("http_proxy_host", entity.String, nil, noRequest), only("http_proxy_port", entity.Integer, nil, noRequest),
		only("https_proxy_host", entity.String, nil, noRequest), only("https_proxy_port", entity.Integer, nil, noRequest),
	}
}
