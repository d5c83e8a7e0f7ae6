package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// tokenTable has the tokens that the plugin oauth2 issues.
const tokenTable = "oauth2_tokens"

// sweepEvery is after how many issued tokens those that have ended are deleted.
const sweepEvery = 64

const selectToken = `SELECT body || jsonb_build_object('expires_at', coalesce(floor(extract(epoch FROM expires_at) * 1000), 0)::bigint)
	FROM ` + tokenTable + ` WHERE %s = $1 AND ` + notExpired

// AccessToken finds a token by its access token, nil where there is none.
func (p *Postgres) AccessToken(ctx context.Context, token string) (*entity.OAuth2Token, error) {
	return p.token(ctx, "access_token", token)
}

// RefreshToken finds a token by its refresh token, nil where there is none.
func (p *Postgres) RefreshToken(ctx context.Context, token string) (*entity.OAuth2Token, error) {
	return p.token(ctx, "refresh_token", token)
}

func (p *Postgres) token(ctx context.Context, by, token string) (*entity.OAuth2Token, error) {
	var raw []byte
	err := p.with(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		return c.QueryRow(ctx, fmt.Sprintf(selectToken, column(by)), token).Scan(&raw)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, kongError(&entity.Schema{Name: tokenTable}, err)
	}
	t := &entity.OAuth2Token{}
	if err := json.Unmarshal(raw, t); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrUnreadable, tokenTable, err)
	}
	return t, nil
}

// IssueToken stores a token for ttl, 0: without an end. replaces, where it is not
// empty, is the id of the token that gives way to it, which may be its own. The
// error is entity.ErrTokenGone where that one is not there any more.
func (p *Postgres) IssueToken(ctx context.Context, t *entity.OAuth2Token, ttl time.Duration, replaces string) error {
	s, ok := p.config.Schemas.ByName(tokenTable)
	if !ok {
		return fmt.Errorf("no schema %s", tokenTable)
	}
	raw, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("encode a token: %w", err)
	}
	r, err := s.DecodeJSON(raw)
	if err != nil {
		return fmt.Errorf("encode a token: %w", err)
	}
	if ttl > 0 {
		r["ttl"] = int64((ttl + time.Second - 1) / time.Second)
	}
	sweep := p.issued.Add(1)%sweepEvery == 1
	err = p.transaction(ctx, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
		if sweep {
			if _, err := tx.Exec(ctx, deleteExpiredQuery(s)); err != nil {
				return err
			}
		}
		if replaces != "" {
			const sql = "DELETE FROM " + tokenTable + " WHERE id = $1 AND " + notExpired
			if tag, err := tx.Exec(ctx, sql, replaces); err != nil || tag.RowsAffected() == 0 {
				return errors.Join(err, entity.ErrTokenGone)
			}
		}
		return write(ctx, tx, s, nil, r)
	})
	if errors.Is(err, entity.ErrTokenGone) {
		return entity.ErrTokenGone
	}
	return kongErrorOf(s, r, err)
}
