-- +goose Up
-- Applications of consumers for the plugin oauth2, and the tokens that it issues
-- to them. Tokens are no configuration: their rows make no revisions.
CREATE TABLE oauth2_credentials (
  id uuid PRIMARY KEY, consumer uuid NOT NULL REFERENCES consumers ON DELETE CASCADE, client_id text UNIQUE NOT NULL,
  tags text[], seq bigint GENERATED ALWAYS AS IDENTITY, body jsonb NOT NULL);
CREATE INDEX ON oauth2_credentials (consumer);
CREATE INDEX ON oauth2_credentials USING gin (tags);
CREATE TABLE oauth2_tokens (
  id uuid PRIMARY KEY, service uuid REFERENCES services ON DELETE CASCADE,
  credential uuid NOT NULL REFERENCES oauth2_credentials ON DELETE CASCADE,
  access_token text UNIQUE NOT NULL, refresh_token text UNIQUE, expires_at timestamptz,
  tags text[], seq bigint GENERATED ALWAYS AS IDENTITY, body jsonb NOT NULL);
CREATE INDEX ON oauth2_tokens (service);
CREATE INDEX ON oauth2_tokens (credential);
CREATE INDEX ON oauth2_tokens (expires_at) WHERE expires_at IS NOT NULL;

-- +goose Down
DROP TABLE oauth2_tokens;
DROP TABLE oauth2_credentials;
