-- +goose Up
-- Keys and their sets, which no plugin of the gateway reads.
CREATE TABLE key_sets (
  id uuid PRIMARY KEY, name text UNIQUE,
  tags text[], seq bigint GENERATED ALWAYS AS IDENTITY, body jsonb NOT NULL);
CREATE INDEX ON key_sets USING gin (tags);
CREATE TABLE keys (
  id uuid PRIMARY KEY, set uuid REFERENCES key_sets ON DELETE CASCADE, name text UNIQUE, kid text NOT NULL,
  tags text[], seq bigint GENERATED ALWAYS AS IDENTITY, body jsonb NOT NULL, UNIQUE (kid, set));
CREATE INDEX ON keys (set);
CREATE INDEX ON keys USING gin (tags);

-- +goose Down
DROP TABLE keys;
DROP TABLE key_sets;
