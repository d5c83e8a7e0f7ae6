-- +goose Up
CREATE TABLE certificates (
  id uuid PRIMARY KEY, tags text[], seq bigint GENERATED ALWAYS AS IDENTITY, body jsonb NOT NULL);
CREATE TABLE snis (
  id uuid PRIMARY KEY, name text UNIQUE NOT NULL, certificate uuid NOT NULL REFERENCES certificates ON DELETE CASCADE,
  tags text[], seq bigint GENERATED ALWAYS AS IDENTITY, body jsonb NOT NULL);
CREATE INDEX ON snis (certificate);
CREATE TABLE ca_certificates (
  id uuid PRIMARY KEY, cert_digest text UNIQUE NOT NULL, tags text[], seq bigint GENERATED ALWAYS AS IDENTITY, body jsonb NOT NULL);
CREATE INDEX ON certificates USING gin (tags);
CREATE INDEX ON snis USING gin (tags);
CREATE INDEX ON ca_certificates USING gin (tags);
ALTER TABLE services ADD client_certificate uuid REFERENCES certificates ON DELETE RESTRICT;
ALTER TABLE upstreams ADD client_certificate uuid REFERENCES certificates ON DELETE RESTRICT;

-- +goose Down
ALTER TABLE services DROP client_certificate;
ALTER TABLE upstreams DROP client_certificate;
DROP TABLE ca_certificates, snis, certificates;
