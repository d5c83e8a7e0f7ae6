package entity_test

import (
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
)

// refusedBody is a JSON body that a schema refuses.
type refusedBody struct {
	name string
	body string
	want string // in the message: field, value, what is allowed
}

func testRefused(t *testing.T, schema string, bodies []refusedBody) {
	t.Helper()
	for _, tt := range bodies {
		t.Run(tt.name, func(t *testing.T) {
			_, err := entitytest.Insert(t, schemas, schema, tt.body)
			entitytest.Refused(t, err, tt.want)
		})
	}
}

func TestRefusedServices(t *testing.T) {
	testRefused(t, "services", []refusedBody{
		{name: "no host", body: "{}", want: "host: required field missing"},
		{
			name: "a name with a space", body: `{"host":"h","name":"a b"}`,
			want: "name: invalid value 'a b': it must only contain alphanumeric and '., -, _, ~' characters",
		},
		{name: "a port beyond all", body: `{"host":"h","port":65536}`, want: "port: value should be between 0 and 65535"},
		{name: "no time-out", body: `{"host":"h","read_timeout":0}`, want: "read_timeout: value should be between 1 and 2147483646"},
		{name: "retries beyond all", body: `{"host":"h","retries":32768}`, want: "retries: value should be between 0 and 32767"},
		{name: "a path without its slash", body: `{"host":"h","path":"a"}`, want: "path: should start with: /"},
		{name: "a path with an empty segment", body: `{"host":"h","path":"/a//b"}`, want: "path: must not have empty segments"},
		{name: "a text for a flag", body: `{"host":"h","enabled":"yes"}`, want: "enabled: expected a boolean"},
		{
			name: "a tag with a comma", body: `{"host":"h","tags":["a,b"]}`,
			want: "tags: invalid tag 'a,b': expected printable ascii (except `,` and `/`) or valid utf-8 sequences",
		},
		{name: "a list for a set", body: `{"host":"h","tags":"a"}`, want: "tags: expected a set"},
		{name: "an id that is none", body: `{"id":"x","host":"h"}`, want: "id: expected a valid UUID"},
		{
			name: "a certificate that is no reference", body: `{"host":"h","protocol":"https","client_certificate":{"id":"x"}}`,
			want: "client_certificate.id: expected a valid UUID",
		},
		{
			name: "a certificate without an id", body: `{"host":"h","protocol":"https","client_certificate":{}}`,
			want: "client_certificate.id: missing primary key",
		},
		{
			name: "a chain that is too deep", body: `{"host":"h","protocol":"https","tls_verify_depth":65}`,
			want: "tls_verify_depth: value should be between 0 and 64",
		},
		{name: "a url without a host", body: `{"url":"origin"}`, want: "url: missing host in url"},
		{name: "a url with a port that is none", body: `{"url":"http://h:99999"}`, want: "port: value should be between 0 and 65535"},
	})
}

func TestRefusedRoutes(t *testing.T) {
	testRefused(t, "routes", []refusedBody{
		{
			name: "nothing to match", body: `{"name":"r"}`,
			want: "must set one of 'methods', 'hosts', 'headers', 'paths' when 'protocols' is 'http' or 'https'",
		},
		{
			name: "nothing to match, https alone", body: `{"protocols":["https"]}`,
			want: "must set one of 'methods', 'hosts', 'headers', 'paths', 'snis'",
		},
		{name: "no protocol", body: `{"paths":["/"],"protocols":[]}`, want: "protocols: length must be at least 1"},
		{
			name: "two families",
			body: `{"paths":["/"],"protocols":["http","grpc"]}`,
			want: "protocols: these sets are mutually exclusive",
		},
		{name: "a method in small letters", body: `{"methods":["get"]}`, want: "methods: invalid value: get"},
		{name: "a path without its slash", body: `{"paths":["a"]}`, want: "paths: should start with: / (fixed path) or ~/ (regex path)"},
		{
			name: "a path that is not normal",
			body: `{"paths":["/a/../b"]}`,
			want: "paths: non-normalized path, consider use '/b' instead",
		},
		{name: "an expression that does not compile", body: `{"paths":["~/("]}`, want: "paths: invalid regex: '/('"},
		{
			name: "another status", body: `{"paths":["/"],"https_redirect_status_code":200}`,
			want: "https_redirect_status_code: expected one of: 426, 301, 302, 307, 308",
		},
		{name: "another handling", body: `{"paths":["/"],"path_handling":"v2"}`, want: "path_handling: expected one of: v0, v1"},
		{
			name: "sources", body: `{"paths":["/"],"sources":[{"ip":"10.0.0.1"}]}`,
			want: "sources: cannot set 'sources' when 'protocols' is 'http' or 'https'",
		},
		{
			name: "SNIs without TLS", body: `{"paths":["/"],"protocols":["http"],"snis":["a"]}`,
			want: "snis: 'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls', 'tls_passthrough', or 'wss'",
		},
		{
			name: "a header in two spellings", body: `{"headers":{"x-a":["1"],"X-A":["2"]}}`,
			want: "headers: 'X-A' and 'x-a' are the same header",
		},
		{name: "a header with a bad name", body: `{"headers":{"a b":["1"]}}`, want: "headers: bad header name 'a b'"},
		{
			name: "a port in an expression of a host",
			body: `{"hosts":["a.*:99999"]}`,
			want: "the port should be a number from 1 to 65535",
		},
	})
}

func TestRefusedConsumers(t *testing.T) {
	testRefused(t, "consumers", []refusedBody{
		{name: "no name at all", body: "{}", want: "at least one of these fields must be non-empty: 'custom_id', 'username'"},
		{name: "an empty name", body: `{"username":""}`, want: "username: length must be at least 1"},
		{name: "a number", body: `{"custom_id":1}`, want: "custom_id: expected a string"},
	})
}

func TestRefusedUpstreams(t *testing.T) {
	testRefused(t, "upstreams", []refusedBody{
		{name: "no name", body: "{}", want: "name: required field missing"},
		{name: "an address", body: `{"name":"10.0.0.1"}`, want: "name: Invalid name ('10.0.0.1'); must be a valid hostname"},
		{
			name: "another algorithm", body: `{"name":"u.x","algorithm":"random"}`,
			want: "algorithm: expected one of: consistent-hashing, least-connections, round-robin, latency",
		},
		{name: "too few slots", body: `{"name":"u.x","slots":9}`, want: "slots: value should be between 10 and 65536"},
		{
			name: "a threshold beyond all", body: `{"name":"u.x","healthchecks":{"threshold":101}}`,
			want: "healthchecks.threshold: value should be between 0 and 100",
		},
		{
			name: "a status beyond all", body: `{"name":"u.x","healthchecks":{"active":{"healthy":{"http_statuses":[99]}}}}`,
			want: "healthchecks.active.healthy.http_statuses: value should be between 100 and 999",
		},
		{
			name: "a count beyond all", body: `{"name":"u.x","healthchecks":{"passive":{"unhealthy":{"timeouts":256}}}}`,
			want: "healthchecks.passive.unhealthy.timeouts: value should be between 0 and 255",
		},
		{
			name: "a probe with a bad path", body: `{"name":"u.x","healthchecks":{"active":{"http_path":"health"}}}`,
			want: "healthchecks.active.http_path: should start with: /",
		},
		{name: "a text for a record", body: `{"name":"u.x","healthchecks":"all"}`, want: "healthchecks: expected a record"},
	})
}

func TestRefusedTargets(t *testing.T) {
	testRefused(t, "targets", []refusedBody{
		{name: "no upstream", body: `{"target":"h:1"}`, want: "upstream: required field missing"},
		{name: "no target", body: `{"upstream":{"id":"0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01"}}`, want: "target: required field missing"},
		{
			name: "a port that is none", body: `{"target":"h:x","upstream":{"id":"0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01"}}`,
			want: "target: Invalid target ('h:x'); not a valid hostname or ip address",
		},
		{
			name: "a weight beyond all",
			body: `{"target":"h","weight":65536,"upstream":{"id":"0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01"}}`,
			want: "weight: value should be between 0 and 65535",
		},
	})
}

func TestRefusedSNIs(t *testing.T) {
	testRefused(t, "snis", []refusedBody{
		{name: "no certificate", body: `{"name":"a.com"}`, want: "certificate: required field missing"},
		{
			name: "an address", body: `{"name":"10.0.0.1","certificate":{"id":"0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01"}}`,
			want: "name: must not be an IP",
		},
		{
			name: "a star in the middle", body: `{"name":"a.*.com","certificate":{"id":"0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01"}}`,
			want: "name: wildcard must be leftmost or rightmost character",
		},
	})
}

func TestRefusedCertificates(t *testing.T) {
	testRefused(t, "certificates", []refusedBody{
		{name: "no key", body: `{"cert":"x"}`, want: "key: required field missing"},
		{name: "no PEM", body: `{"cert":"x","key":"y"}`, want: "cert: invalid certificate: want PEM that begins with a CERTIFICATE"},
		{
			name: "a vault that does not exist", body: `{"cert":"{vault://aws/a}","key":"y"}`,
			want: `vault "aws" does not exist; expected one of: env`,
		},
	})
}

func TestRefusedCACertificates(t *testing.T) {
	testRefused(t, "ca_certificates", []refusedBody{
		{name: "no PEM", body: `{"cert":"x"}`, want: "cert: invalid certificate: want PEM that begins with a CERTIFICATE"},
	})
}

func TestRefusedPlugins(t *testing.T) {
	testRefused(t, "plugins", []refusedBody{
		{name: "no name", body: "{}", want: "name: required field missing"},
		{
			name: "an unknown one", body: `{"name":"nope"}`,
			want: "name: plugin 'nope' not enabled; add it to the 'plugins' configuration property",
		},
		{name: "config that is no record", body: `{"name":"key-auth","config":"all"}`, want: "config: expected a record"},
		{
			name: "a name for instances with a space", body: `{"name":"key-auth","instance_name":"a b"}`,
			want: "instance_name: invalid value 'a b'",
		},
		{name: "a text for a reference", body: `{"name":"key-auth","route":"r"}`, want: "route: expected a record"},
	})
}
