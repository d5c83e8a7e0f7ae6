package store

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// backupFormat and backupVersion are in the first line of a backup.
const (
	backupFormat  = "gatelab gateway backup"
	backupVersion = 1
)

// ErrBackup says that a backup is damaged, or is not one.
var ErrBackup = errors.New("not a whole backup")

// ErrNotEmpty says that a database has a configuration already.
var ErrNotEmpty = errors.New("the database has a configuration")

// BackupInfo describes a backup.
type BackupInfo struct {
	Format   string         `json:"format"`
	Version  int            `json:"version"`
	Schema   int64          `json:"schema"` // version of the database schema
	Revision int64          `json:"revision"`
	At       time.Time      `json:"at"`
	Rows     map[string]int `json:"rows"` // by table
}

// backupRow is a line of a backup after the first one; the last one has only Sum.
type backupRow struct {
	Table string          `json:"table,omitempty"`
	Row   json.RawMessage `json:"row,omitempty"`
	Sum   string          `json:"sha256,omitempty"` // of all lines before
}

// backupTables are all tables of the configuration and its history, each after
// those that it refers to.
func (p *Postgres) backupTables() []string {
	var names []string
	for _, s := range p.config.Schemas.Schemas() {
		names = append(names, s.Name)
	}
	return append(names, authoritiesTable, "revisions")
}

// Backup writes the configuration and its history as they are at one revision.
func (p *Postgres) Backup(ctx context.Context, w io.Writer) (*BackupInfo, error) {
	info := &BackupInfo{Format: backupFormat, Version: backupVersion, At: time.Now().UTC(), Rows: map[string]int{}}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	sum := sha256.New()
	lines := json.NewEncoder(io.MultiWriter(w, sum))
	begun := false
	err := p.within(ctx, max(p.config.QueryTimeout, bulkTimeout), func(ctx context.Context, c *pgxpool.Conn) error {
		return transact(ctx, c, options, func(ctx context.Context, tx pgx.Tx) error {
			if err := p.describe(ctx, tx, info); err != nil {
				return err
			}
			if begun { // on another connection: the file has the beginning of a backup
				return ErrUnavailable
			}
			begun = true
			if err := lines.Encode(info); err != nil {
				return err
			}
			for _, name := range p.backupTables() {
				if err := backupTable(ctx, tx, name, lines); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err == nil {
		err = json.NewEncoder(w).Encode(backupRow{Sum: hex.EncodeToString(sum.Sum(nil))})
	}
	if err != nil {
		return nil, fmt.Errorf("back up: %w", err)
	}
	return info, nil
}

func (p *Postgres) describe(ctx context.Context, tx pgx.Tx, info *BackupInfo) error {
	if err := tx.QueryRow(ctx, revisionQuery).Scan(&info.Revision); err != nil {
		return err
	}
	var err error
	if info.Schema, err = schemaVersion(ctx, tx); err != nil {
		return err
	}
	for _, name := range p.backupTables() {
		var n int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM "+column(name)).Scan(&n); err != nil {
			return err
		}
		info.Rows[name] = n
	}
	return nil
}

func schemaVersion(ctx context.Context, tx pgx.Tx) (version int64, err error) {
	err = tx.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&version)
	return version, err
}

func backupTable(ctx context.Context, tx pgx.Tx, name string, lines *json.Encoder) error {
	rows, err := tx.Query(ctx, "SELECT to_json(t)::text FROM "+column(name)+" t")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var raw string
		if err := rows.Scan(&raw); err != nil {
			return err
		}
		if err := lines.Encode(backupRow{Table: name, Row: json.RawMessage(raw)}); err != nil {
			return err
		}
	}
	return rows.Err()
}

// RestoreOptions say what a restore does.
type RestoreOptions struct {
	Replace bool   // a configuration that is there is deleted; else it is an error
	DryRun  bool   // everything is inserted and checked, and then taken back
	Actor   string // of the revision
}

// errDryRun rolls a restore back that has been checked.
var errDryRun = errors.New("dry run")

// Restore makes the configuration and its history those of a backup, in one
// transaction. The schema may be newer than that of the backup.
func (p *Postgres) Restore(ctx context.Context, r io.Reader, o RestoreOptions) (*BackupInfo, error) {
	var info *BackupInfo
	err := p.within(ctx, max(p.config.QueryTimeout, bulkTimeout), func(ctx context.Context, c *pgxpool.Conn) error {
		return transact(ctx, c, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) (err error) {
			if err := p.lockAll(ctx, tx); err != nil {
				return err
			}
			info, err = p.restore(ctx, tx, &backupReader{lines: bufio.NewReaderSize(r, 1<<20), sum: sha256.New()}, o)
			return err
		})
	})
	if err != nil && !errors.Is(err, errDryRun) {
		return nil, fmt.Errorf("restore: %w", err)
	}
	return info, nil
}

func (p *Postgres) restore(ctx context.Context, tx pgx.Tx, r *backupReader, o RestoreOptions) (*BackupInfo, error) {
	info, err := r.header()
	if err != nil {
		return nil, err
	}
	schema, err := schemaVersion(ctx, tx)
	if err != nil {
		return nil, err
	}
	if schema < info.Schema {
		return nil, fmt.Errorf("the backup has schema %d and the database %d: want a gateway that is as new as that of the backup",
			info.Schema, schema)
	}
	var before int64
	if err := tx.QueryRow(ctx, "SELECT id FROM current_revision FOR UPDATE").Scan(&before); err != nil {
		return nil, err
	}
	if err := p.clear(ctx, tx, o.Replace); err != nil {
		return nil, err
	}
	if err := p.insertAll(ctx, tx, r, info); err != nil {
		return nil, err
	}
	if err := p.checkRestored(ctx, tx, info); err != nil {
		return nil, err
	}
	if o.DryRun {
		return info, errDryRun
	}
	if err := p.moveSequences(ctx, tx); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, "UPDATE current_revision SET id = $1", max(before, info.Revision)); err != nil {
		return nil, err
	}
	// Replicas that run follow a revision that is newer than theirs.
	whole := &entity.Schema{Name: wholeEntity}
	return info, revise(ctx, tx, whole, o.Actor, "restore", nil, entity.Record{"id": uuid.Nil.String(), "changes": []any{}})
}

// clear deletes everything, where that is allowed.
func (p *Postgres) clear(ctx context.Context, tx pgx.Tx, replace bool) error {
	tables := p.backupTables()
	slices.Reverse(tables)
	for _, name := range tables {
		tag, err := tx.Exec(ctx, "DELETE FROM "+column(name))
		if err != nil {
			return err
		}
		if tag.RowsAffected() > 0 && !replace {
			return fmt.Errorf("%w: %s has %d rows", ErrNotEmpty, name, tag.RowsAffected())
		}
	}
	return nil
}

// insertAll inserts the rows of a backup and checks that they are all there.
func (p *Postgres) insertAll(ctx context.Context, tx pgx.Tx, r *backupReader, info *BackupInfo) error {
	known := map[string]bool{}
	for _, name := range p.backupTables() {
		known[name] = true
	}
	got := map[string]int{}
	var b pgx.Batch
	for {
		row, err := r.next()
		if err != nil {
			return err
		}
		if row == nil || b.Len() == 500 {
			if err := tx.SendBatch(ctx, &b).Close(); err != nil {
				return err
			}
			b = pgx.Batch{}
		}
		if row == nil {
			break
		}
		if !known[row.Table] {
			return fmt.Errorf("the backup has the table %q: want a gateway that is as new as that of the backup", row.Table)
		}
		var columns map[string]json.RawMessage
		if err := json.Unmarshal(row.Row, &columns); err != nil {
			return fmt.Errorf("%w: %w", ErrBackup, err)
		}
		names := slices.Sorted(maps.Keys(columns))
		for i := range names {
			names[i] = column(names[i])
		}
		list := strings.Join(names, ", ")
		table := column(row.Table)
		b.Queue("INSERT INTO "+table+" ("+list+") OVERRIDING SYSTEM VALUE SELECT "+list+
			" FROM json_populate_record(NULL::"+table+", $1::json)", string(row.Row))
		got[row.Table]++
	}
	for name, n := range info.Rows {
		if got[name] != n {
			return fmt.Errorf("%w: %s has %d rows: want %d", ErrBackup, name, got[name], n)
		}
	}
	return nil
}

// moveSequences has new entities come behind those of a backup. No transaction takes that
// back: it is done with what has been checked, and no sequence becomes lower.
func (p *Postgres) moveSequences(ctx context.Context, tx pgx.Tx) error {
	for _, s := range p.config.Schemas.Schemas() {
		const sql = "SELECT setval(pg_get_serial_sequence('%[1]s', 'seq'), greatest(1, (SELECT coalesce(max(seq), 1) FROM %[2]s), " +
			"coalesce(pg_sequence_last_value(pg_get_serial_sequence('%[1]s', 'seq')::regclass), 1)))"
		if _, err := tx.Exec(ctx, fmt.Sprintf(sql, s.Name, table(s))); err != nil {
			return err
		}
	}
	return nil
}

// backupReader reads the lines of a backup.
type backupReader struct {
	lines *bufio.Reader
	sum   hash.Hash
}

func (r *backupReader) line(into any) (raw []byte, err error) {
	if raw, err = r.lines.ReadBytes('\n'); err != nil {
		return nil, fmt.Errorf("%w: it ends early: %w", ErrBackup, err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBackup, err)
	}
	return raw, nil
}

func (r *backupReader) header() (*BackupInfo, error) {
	info := &BackupInfo{}
	raw, err := r.line(info)
	if err != nil {
		return nil, err
	}
	if info.Format != backupFormat || info.Version != backupVersion {
		return nil, fmt.Errorf("%w: format %q, version %d: want %q, version %d",
			ErrBackup, info.Format, info.Version, backupFormat, backupVersion)
	}
	r.sum.Write(raw)
	return info, nil
}

// next returns the next row, nil after the last one, whose check sum is right.
func (r *backupReader) next() (*backupRow, error) {
	row := &backupRow{}
	raw, err := r.line(row)
	if err != nil {
		return nil, err
	}
	if row.Sum == "" {
		r.sum.Write(raw)
		return row, nil
	}
	if got := hex.EncodeToString(r.sum.Sum(nil)); got != row.Sum {
		return nil, fmt.Errorf("%w: its SHA-256 is %s: want %s", ErrBackup, got, row.Sum)
	}
	return nil, nil
}
