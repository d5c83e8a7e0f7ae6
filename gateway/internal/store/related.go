package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// This file has what belongs to an entity but is not in its body: the expiry of a
// credential, the authorities that a service trusts, and the SNIs of a certificate.

// notExpired is the SQL condition of entities that have not expired. now() is the
// same throughout a transaction.
const notExpired = "(expires_at IS NULL OR expires_at > now())"

// authoritiesTable has the authorities that services trust, with foreign keys.
const authoritiesTable = "service_ca_certificates"

// bodyOf returns the SQL expression for an entity as the Admin API shows it.
func bodyOf(s *entity.Schema) string {
	switch {
	case s.Expires: // with the remaining ttl
		return "CASE WHEN expires_at IS NULL THEN body ELSE body || " +
			"jsonb_build_object('ttl', greatest(1, floor(extract(epoch FROM expires_at - now())))::bigint) END"
	case s.Name == "certificates":
		return "body || jsonb_build_object('snis', (SELECT coalesce(jsonb_agg(n.name ORDER BY n.seq), '[]') " +
			"FROM snis n WHERE n.certificate = certificates.id))"
	}
	return "body"
}

// writeAuthorities writes the authorities that a service trusts.
func writeAuthorities(ctx context.Context, tx pgx.Tx, service entity.Record) error {
	w := &writing{}
	w.addAuthorities(service)
	return w.send(ctx, tx)
}

// keepSNIs fills in the SNIs of a certificate that a client wrote without them:
// they stay as they are.
func keepSNIs(old, r entity.Record) {
	if r["snis"] != nil {
		return
	}
	r["snis"] = []any{}
	if had := old["snis"]; had != nil {
		r["snis"] = had
	}
}

// change is a change of one entity, which becomes a revision.
type change struct {
	schema        *entity.Schema
	operation     string
	before, after entity.Record
}

// writeSNIs makes a certificate's SNIs those that it lists, and returns what
// changed.
func writeSNIs(ctx context.Context, tx pgx.Tx, certificate entity.Record) ([]change, error) {
	s, _ := entity.Core().ByName("snis")
	id, wanted := certificate["id"], texts(certificate["snis"])
	if wanted == nil {
		wanted = []string{} // nil would be NULL
	}
	const sql = "SELECT name, certificate::text, body FROM snis WHERE certificate = $1 OR name = ANY($2) FOR UPDATE"
	rows, err := tx.Query(ctx, sql, id, wanted)
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
	var changes []change
	have := map[string]bool{}
	for _, n := range had {
		switch {
		case n.Certificate != id:
			message := fmt.Sprintf("%s already associated with existing certificate '%s'", n.Name, n.Certificate)
			return nil, entity.SchemaError(map[string]any{"snis": message})
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
		changes = append(changes, change{schema: s, operation: "delete", before: before})
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
		changes = append(changes, change{schema: s, operation: "insert", after: r})
	}
	return changes, nil
}
