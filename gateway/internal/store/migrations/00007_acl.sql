-- +goose Up
-- The groups of consumers, of the plugin acl.
CREATE TABLE acls (
  id uuid PRIMARY KEY, consumer uuid NOT NULL REFERENCES consumers ON DELETE CASCADE, "group" text NOT NULL,
  tags text[], seq bigint GENERATED ALWAYS AS IDENTITY, body jsonb NOT NULL, UNIQUE (consumer, "group"));
CREATE INDEX ON acls USING gin (tags);

-- +goose Down
DROP TABLE acls;
