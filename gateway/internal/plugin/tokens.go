package plugin

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// TokenStore keeps the tokens that are issued to clients while the gateway runs.
type TokenStore interface {
	// AccessToken and RefreshToken find a token, nil where there is none.
	AccessToken(ctx context.Context, token string) (*entity.OAuth2Token, error)
	RefreshToken(ctx context.Context, token string) (*entity.OAuth2Token, error)
	// IssueToken stores a token for ttl, 0: without an end. replaces, where it is not
	// empty, is the id of the token that gives way to it, which may be its own. The
	// error is entity.ErrTokenGone where that one is not there any more.
	IssueToken(ctx context.Context, t *entity.OAuth2Token, ttl time.Duration, replaces string) error
}

// TokenKey is what a token is looked up by in memory: how long a search takes says
// nothing of the tokens that are there.
type TokenKey [sha256.Size]byte

// KeyOfToken returns the key of a token.
func KeyOfToken(token []byte) TokenKey { return sha256.Sum256(token) }

// OAuth2Client is an oauth2 credential.
type OAuth2Client struct {
	Credential
	Application *entity.OAuth2Credential
}

// oauth2Directory is what a Directory knows of oauth2.
type oauth2Directory struct {
	byClientID map[string]*OAuth2Client
	byID       map[string]*OAuth2Client
	tokens     map[TokenKey]*entity.OAuth2Token // of a declarative file
}

func newOAuth2Directory(cfg *entity.Config, consumers map[string]*entity.Consumer) oauth2Directory {
	d := oauth2Directory{
		byClientID: make(map[string]*OAuth2Client, len(cfg.OAuth2Credentials)),
		byID:       make(map[string]*OAuth2Client, len(cfg.OAuth2Credentials)),
		tokens:     make(map[TokenKey]*entity.OAuth2Token, len(cfg.OAuth2Tokens)),
	}
	for i := range cfg.OAuth2Credentials {
		a := &cfg.OAuth2Credentials[i]
		if c, ok := consumers[a.Consumer.ID]; ok {
			client := &OAuth2Client{Credential{ID: a.ID, Consumer: c}, a}
			d.byClientID[a.ClientID], d.byID[a.ID] = client, client
		}
	}
	for i := range cfg.OAuth2Tokens {
		t := &cfg.OAuth2Tokens[i]
		d.tokens[KeyOfToken([]byte(t.AccessToken))] = t
	}
	return d
}

// OAuth2Client finds an application by its client_id.
func (d *Directory) OAuth2Client(clientID string) (*OAuth2Client, bool) {
	c, ok := d.oauth2.byClientID[clientID]
	return c, ok
}

// OAuth2ClientByID finds an application by the id of its credential.
func (d *Directory) OAuth2ClientByID(id string) (*OAuth2Client, bool) {
	c, ok := d.oauth2.byID[id]
	return c, ok
}

// OAuth2Token finds a token of a declarative file.
func (d *Directory) OAuth2Token(key TokenKey) (*entity.OAuth2Token, bool) {
	t, ok := d.oauth2.tokens[key]
	return t, ok
}
