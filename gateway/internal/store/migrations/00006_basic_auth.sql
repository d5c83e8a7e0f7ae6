-- +goose Up
-- Credentials of the plugin basic-auth.
CREATE TABLE basicauth_credentials (
  id uuid PRIMARY KEY, consumer uuid NOT NULL REFERENCES consumers ON DELETE CASCADE, username text UNIQUE NOT NULL,
  tags text[], seq bigint GENERATED ALWAYS AS IDENTITY, body jsonb NOT NULL);
CREATE INDEX ON basicauth_credentials (consumer);
CREATE INDEX ON basicauth_credentials USING gin (tags);

-- +goose Down
DROP TABLE basicauth_credentials;
