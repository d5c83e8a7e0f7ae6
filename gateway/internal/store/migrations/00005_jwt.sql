-- +goose Up
-- Credentials of the plugin jwt.
CREATE TABLE jwt_secrets (
  id uuid PRIMARY KEY, consumer uuid NOT NULL REFERENCES consumers ON DELETE CASCADE, key text UNIQUE NOT NULL,
  tags text[], seq bigint GENERATED ALWAYS AS IDENTITY, body jsonb NOT NULL);
CREATE INDEX ON jwt_secrets (consumer);
CREATE INDEX ON jwt_secrets USING gin (tags);

-- +goose Down
DROP TABLE jwt_secrets;
