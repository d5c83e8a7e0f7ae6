package store

import (
	"errors"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// TestCredentialsReachTheDataPlane: all of them at first, then one by one, and
// those of a consumer that is deleted no longer. Their secrets are not in the
// history.
func TestCredentialsReachTheDataPlane(t *testing.T) {
	p := open(t, Config{})
	c := insert(t, p, "consumers", entity.Record{"username": "u"})
	of := map[string]any{"id": c["id"]}
	insert(t, p, "jwt_secrets", entity.Record{"key": "k", "secret": "hunter2", "consumer": of})
	got := sees(t, p, "at first").JWTSecrets
	if len(got) != 1 || got[0].Secret != "hunter2" || got[0].Algorithm != "HS256" || got[0].Consumer.ID != c["id"] {
		t.Errorf("at first: %+v", got)
	}
	insert(t, p, "jwt_secrets", entity.Record{"key": "l", "algorithm": "HS512", "consumer": of})
	patch(t, p, "jwt_secrets", "k", entity.Record{"secret": "hunter3"})
	got = sees(t, p, "changed").JWTSecrets
	if len(got) != 2 || got[0].Secret != "hunter3" || got[1].Key != "l" || got[1].Algorithm != "HS512" {
		t.Errorf("changed: %+v", got)
	}
	insert(t, p, "basicauth_credentials", entity.Record{"username": "n", "password": "hunter2", "consumer": of})
	patch(t, p, "basicauth_credentials", "n", entity.Record{"tags": []any{"t"}})
	if got := sees(t, p, "another kind").BasicAuths; len(got) != 1 || got[0].Username != "n" || len(got[0].Password) != 40 {
		t.Errorf("another kind: %+v", got)
	}
	insert(t, p, "acls", entity.Record{"group": "g", "consumer": of})
	insert(t, p, "acls", entity.Record{"group": "h", "consumer": of})
	if got := sees(t, p, "groups").ACLs; len(got) != 2 || got[1].Group != "h" || got[1].Consumer.ID != c["id"] {
		t.Errorf("groups: %+v", got)
	}
	s, twice := made(t, "acls", entity.Record{"group": "h", "consumer": of})
	var refused *entity.Error
	if err := p.Insert(t.Context(), s, twice, "tester"); !errors.As(err, &refused) || refused.Code != entity.CodeUnique {
		t.Errorf("the same group twice: %v", err)
	}
	insert(t, p, "hmacauth_credentials", entity.Record{"username": "h", "secret": "hunter2", "consumer": of})
	patch(t, p, "hmacauth_credentials", "h", entity.Record{"secret": "hunter3"})
	if got := sees(t, p, "hmac-auth").HMACAuths; len(got) != 1 || got[0].Username != "h" || got[0].Secret != "hunter3" {
		t.Errorf("hmac-auth: %+v", got)
	}
	var secrets int
	const sql = "SELECT count(*) FROM revisions WHERE coalesce(before::text, '') || coalesce(after::text, '') LIKE '%hunter%'"
	row := p.pool.QueryRow(t.Context(), sql)
	if err := row.Scan(&secrets); err != nil || secrets != 0 {
		t.Errorf("%d revisions have secrets: %v", secrets, err)
	}
	remove(t, p, "consumers", "u")
	if got := sees(t, p, "without their consumer"); len(got.JWTSecrets)+len(got.BasicAuths)+len(got.HMACAuths)+len(got.ACLs) != 0 {
		t.Errorf("left: %+v", got)
	}
}
