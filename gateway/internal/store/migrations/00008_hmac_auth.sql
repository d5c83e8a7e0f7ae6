-- +goose Up
-- Credentials of the plugin hmac-auth.
CREATE TABLE hmacauth_credentials (
  id uuid PRIMARY KEY, consumer uuid NOT NULL REFERENCES consumers ON DELETE CASCADE, username text UNIQUE NOT NULL,
  tags text[], seq bigint GENERATED ALWAYS AS IDENTITY, body jsonb NOT NULL);
CREATE INDEX ON hmacauth_credentials (consumer);
CREATE INDEX ON hmacauth_credentials USING gin (tags);

-- +goose Down
DROP TABLE hmacauth_credentials;
