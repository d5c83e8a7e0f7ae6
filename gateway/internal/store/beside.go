package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"gatelab/gateway/internal/entity"
)

// What belongs to an entity but not into its body: the end of a credential, the
// authorities that a service trusts, and the SNIs of a certificate.

// alive leaves out what has ended. All that one transaction asks is asked at
// the same time, its own.
const alive = "(expires_at IS NULL OR expires_at > now())"

// trustTable holds what services trust, so that Postgres guards it.
const trustTable = "service_ca_certificates"

// bodyOf is the SQL for an entity as it is answered.
func bodyOf(s *entity.Schema) string {
	switch {
	case s.Expires: // with what is left of the ttl
		return "CASE WHEN expires_at IS NULL THEN body ELSE body || jsonb_build_object('ttl', greatest(1, floor(extract(epoch FROM expires_at - now())))::bigint) END"
	case s.Name == "certificates":
		return "body || jsonb_build_object('snis', (SELECT coalesce(jsonb_agg(n.name ORDER BY n.seq), '[]') FROM snis n WHERE n.certificate = certificates.id))"
	}
	return "body"
}

// sweep removes what has ended: its keys are free again. What another
// transaction sweeps is left to it.
func sweep(ctx context.Context, tx pgx.Tx, s *entity.Schema) error {
	_, err := tx.Exec(ctx, fmt.Sprintf("DELETE FROM %[1]s WHERE id IN (SELECT id FROM %[1]s WHERE expires_at <= now() FOR UPDATE SKIP LOCKED)", table(s)))
	return err
}

// trust writes the authorities of a service.
func trust(ctx context.Context, tx pgx.Tx, service entity.Record) error {
	if _, err := tx.Exec(ctx, "DELETE FROM "+trustTable+" WHERE service = $1", service["id"]); err != nil {
		return err
	}
	ids := texts(service["ca_certificates"])
	if len(ids) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, "INSERT INTO "+trustTable+" (service, ca_certificate) SELECT DISTINCT $1::uuid, unnest($2::uuid[])", service["id"], ids)
	return err
}

// keepNames fills in a certificate's SNIs where the client said nothing of them:
// they stay as they are.
func keepNames(old, r entity.Record) {
	if r["snis"] != nil {
		return
	}
	r["snis"] = []any{}
	if had := old["snis"]; had != nil {
		r["snis"] = had
	}
}

// change is something to be told as a revision.
type change struct {
	schema        *entity.Schema
	operation     string
	before, after entity.Record
}

// name makes a certificate's SNIs those that it lists, and says what changed.
func name(ctx context.Context, tx pgx.Tx, certificate entity.Record) ([]change, error) {
	s, _ := entity.ByName("snis")
	id, wanted := certificate["id"], texts(certificate["snis"])
	if wanted == nil {
		wanted = []string{} // nil would be NULL, of which nothing is known
	}
	rows, err := tx.Query(ctx, "SELECT name, certificate::text, body FROM snis WHERE certificate = $1 OR name = ANY($2) FOR UPDATE", id, wanted)
	if err != nil {
		return nil, err
	}
	type row struct {
		Name, Certificate string
		Body              []byte
	}
	had, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	if err != nil {
		return nil, err
	}
	var told []change
	have := map[string]bool{}
	for _, n := range had {
		switch {
		case n.Certificate != id:
			return nil, entity.SchemaError(map[string]any{"snis": fmt.Sprintf("%s already associated with existing certificate '%s'", n.Name, n.Certificate)})
		case slices.Contains(wanted, n.Name):
			have[n.Name] = true
			continue
		}
		before, err := s.DecodeJSON(n.Body)
		if err != nil {
			return nil, err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM snis WHERE name = $1", n.Name); err != nil {
			return nil, err
		}
		told = append(told, change{s, "delete", before, nil})
	}
	for _, n := range wanted {
		if have[n] {
			continue
		}
		r, err := s.ProcessInsert(entity.Record{"name": n, "certificate": map[string]any{"id": id}}, time.Now(), "")
		if err != nil {
			return nil, err
		}
		if err := write(ctx, tx, s, nil, r); err != nil {
			return nil, err
		}
		told = append(told, change{s, "insert", nil, r})
	}
	return told, nil
}
