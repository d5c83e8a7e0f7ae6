package redisconfig

import (
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
)

var uses = entitytest.Uses{
	"redis.host":        `.: json:"host" + .Host`,
	"redis.port":        `.: json:"port" + .Port`,
	"redis.timeout":     `.: json:"timeout" + .Timeout`,
	"redis.username":    `.: json:"username" + .Username`,
	"redis.password":    `.: json:"password" + .Password`,
	"redis.database":    `.: json:"database" + .Database`,
	"redis.ssl":         `.: json:"ssl" + .SSL`,
	"redis.ssl_verify":  `.: json:"ssl_verify" + .SSLVerify`,
	"redis.server_name": `.: json:"server_name" + .ServerName`,
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{"redis": Field().Fields}, nil)
}

func TestOptions(t *testing.T) {
	plain := Config{Host: "h", Port: 6379, Timeout: defaultTimeout, SSLVerify: true, ServerName: "n"}
	if o := plain.Options(); o.TLS || o.VerifyTLS || o.ServerName != "" || o.Timeout != 0 {
		t.Errorf("without TLS, and with the default time-out: %+v", o)
	}
	tls := Config{Host: "h", SSL: true, SSLVerify: true, ServerName: "n", Timeout: 50}
	if o := tls.Options(); !o.TLS || !o.VerifyTLS || o.ServerName != "n" || o.Timeout.Milliseconds() != 50 {
		t.Errorf("with TLS: %+v", o)
	}
}
