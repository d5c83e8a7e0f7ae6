package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// kongError returns the error that Kong responds with for a database error.
func kongError(s *entity.Schema, err error) error { return kongErrorOf(s, nil, err) }

func kongErrorOf(s *entity.Schema, r entity.Record, err error) error {
	var known *entity.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, ErrPoolExhausted) {
		return err
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		if isConnectionError(err) {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		// Not an error of the server: retrying does not help.
		return &entity.Error{Code: entity.CodeDatabase, Name: "database error", Message: "database error: " + err.Error()}
	}
	if isServerUnavailable(pg.Code) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if isReadOnly(pg.Code) {
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	if isPreparedStatementError(pg.Code) {
		return fmt.Errorf("%w: %w: want cache_describe, exec or simple_protocol: %w", ErrUnavailable, ErrExecMode, err)
	}
	switch pg.Code {
	case "23505":
		return uniqueError(s, r, pg)
	case "23503":
		return foreignError(s, r, pg)
	case "54000": // longer than an entry of an index
		return entity.SchemaError(map[string]any{"@entity": []any{"a name, key or tag is too long: at most 2,600 bytes fit"}})
	case "22021", "22P05": // a NUL, or bytes that are no UTF-8
		return entity.SchemaError(map[string]any{"@entity": []any{"text must be valid UTF-8 without NUL"}})
	}
	return &entity.Error{Code: entity.CodeDatabase, Name: "database error", Message: "database error: " + pg.Message}
}

// isConnectionError reports whether the connection failed or timed out.
func isConnectionError(err error) bool {
	for _, is := range []error{ErrUnavailable, context.DeadlineExceeded, context.Canceled, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed} {
		if errors.Is(err, is) {
			return true
		}
	}
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &network) || errors.As(err, &connect) || pgconn.SafeToRetry(err) || pgconn.Timeout(err)
}

// isServerUnavailable reports whether code is that of a server that will reject the
// next query, too: connection errors, no resources (too many clients), shutting down or
// starting, a database that accepts no connections.
func isServerUnavailable(code string) bool {
	switch code[:min(len(code), 2)] {
	case "08", "53":
		return true
	}
	return strings.HasPrefix(code, "57P") || code == "55000" || code == "3D000"
}

func uniqueError(s *entity.Schema, r entity.Record, pg *pgconn.PgError) error {
	fields := map[string]any{}
	for _, set := range append([][]string{{"id"}}, uniqueSets(s)...) {
		if strings.Contains(pg.Detail, "("+strings.Join(set, ", ")+")=") || pg.ConstraintName == "plugins_scope" && len(set) == 4 {
			for _, f := range set {
				if r[f] != nil {
					fields[f] = r[f]
				}
			}
		}
	}
	if _, ok := fields["id"]; ok && len(fields) == 1 {
		return &entity.Error{Code: entity.CodeUnique, Name: "primary key violation", Fields: fields,
			Message: "primary key violation on key '" + braces(fields) + "'"}
	}
	return &entity.Error{Code: entity.CodeUnique, Name: "unique constraint violation", Fields: fields,
		Message: "UNIQUE violation detected on '" + braces(fields) + "'"}
}

// braces writes fields as Kong's messages do: {name="x"}.
func braces(fields map[string]any) string {
	parts := make([]string, 0, len(fields))
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		if m, ok := fields[k].(map[string]any); ok {
			parts = append(parts, k+"="+braces(m))
			continue
		}
		parts = append(parts, fmt.Sprintf("%s=%q", k, fmt.Sprint(fields[k])))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func uniqueSets(s *entity.Schema) [][]string {
	sets := append([][]string(nil), s.Unique...)
	for i := range s.Fields {
		if s.Fields[i].Unique {
			sets = append(sets, []string{s.Fields[i].Name})
		}
	}
	return sets
}

func foreignError(s *entity.Schema, r entity.Record, pg *pgconn.PgError) error {
	if strings.Contains(pg.Detail, "is still referenced") {
		by := pg.TableName
		if by == authoritiesTable {
			by = "services"
		}
		return &entity.Error{Code: entity.CodeForeignKey, Name: "foreign key violation",
			Message: fmt.Sprintf("an existing '%s' entity references this '%s' entity", by, s.Name),
			Fields:  map[string]any{"@referenced_by": by}}
	}
	if pg.TableName == authoritiesTable {
		_, id, _ := strings.Cut(pg.Detail, "=(")
		id, _, _ = strings.Cut(id, ")")
		return &entity.Error{Code: entity.CodeForeignKey, Name: "foreign key violation",
			Message: fmt.Sprintf("the foreign key '{id=%q}' does not reference an existing 'ca_certificates' entity.", id),
			Fields:  map[string]any{"ca_certificates": r["ca_certificates"]}}
	}
	for _, fk := range s.ForeignKeys() {
		if strings.Contains(pg.Detail, "("+fk.Field+")=") {
			ref, _ := r[fk.Field].(map[string]any)
			return &entity.Error{Code: entity.CodeForeignKey, Name: "foreign key violation",
				Message: fmt.Sprintf("the foreign key '%s' does not reference an existing '%s' entity.", braces(ref), fk.Schema),
				Fields:  map[string]any{fk.Field: r[fk.Field]}}
		}
	}
	return &entity.Error{Code: entity.CodeForeignKey, Name: "foreign key violation", Message: pg.Message}
}
