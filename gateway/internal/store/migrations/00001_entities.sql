-- +goose Up
-- Each entity is a row: what the database must guard (keys, references) is a
-- column, the whole entity is in body.
CREATE TABLE services (
  id uuid PRIMARY KEY, name text UNIQUE, tags text[], seq bigint GENERATED ALWAYS AS IDENTITY, body jsonb NOT NULL);
CREATE TABLE routes (
  id uuid PRIMARY KEY, name text UNIQUE, service uuid REFERENCES services ON DELETE RESTRICT,
  tags text[], seq bigint GENERATED ALWAYS AS IDENTITY, body jsonb NOT NULL);
CREATE INDEX ON routes (service);
CREATE TABLE consumers (
  id uuid PRIMARY KEY, username text UNIQUE, custom_id text UNIQUE,
  tags text[], seq bigint GENERATED ALWAYS AS IDENTITY, body jsonb NOT NULL);
CREATE TABLE upstreams (
  id uuid PRIMARY KEY, name text UNIQUE NOT NULL, tags text[], seq bigint GENERATED ALWAYS AS IDENTITY, body jsonb NOT NULL);
CREATE TABLE targets (
  id uuid PRIMARY KEY, upstream uuid NOT NULL REFERENCES upstreams ON DELETE CASCADE, target text NOT NULL,
  tags text[], seq bigint GENERATED ALWAYS AS IDENTITY, body jsonb NOT NULL, UNIQUE (upstream, target));
CREATE TABLE plugins (
  id uuid PRIMARY KEY, name text NOT NULL, instance_name text UNIQUE,
  route uuid REFERENCES routes ON DELETE CASCADE,
  service uuid REFERENCES services ON DELETE CASCADE,
  consumer uuid REFERENCES consumers ON DELETE CASCADE,
  tags text[], seq bigint GENERATED ALWAYS AS IDENTITY, body jsonb NOT NULL,
  CONSTRAINT plugins_scope UNIQUE NULLS NOT DISTINCT (name, route, service, consumer));
CREATE INDEX ON plugins (route);
CREATE INDEX ON plugins (service);
CREATE INDEX ON plugins (consumer);
CREATE TABLE keyauth_credentials (
  id uuid PRIMARY KEY, consumer uuid NOT NULL REFERENCES consumers ON DELETE CASCADE, key text UNIQUE NOT NULL,
  tags text[], seq bigint GENERATED ALWAYS AS IDENTITY, body jsonb NOT NULL);
CREATE INDEX ON keyauth_credentials (consumer);

CREATE INDEX ON services USING gin (tags);
CREATE INDEX ON routes USING gin (tags);
CREATE INDEX ON consumers USING gin (tags);
CREATE INDEX ON upstreams USING gin (tags);
CREATE INDEX ON targets USING gin (tags);
CREATE INDEX ON plugins USING gin (tags);
CREATE INDEX ON keyauth_credentials USING gin (tags);

-- Every change: who, when, what.
CREATE TABLE revisions (
  id bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), actor text NOT NULL,
  entity text NOT NULL, entity_id uuid NOT NULL, operation text NOT NULL, before jsonb, after jsonb);

-- The newest revision. Its one row is locked by every change, so that the order
-- of revisions is the order of commits, without gaps.
CREATE TABLE current_revision (single boolean PRIMARY KEY DEFAULT true CHECK (single), id bigint NOT NULL);
INSERT INTO current_revision (id) VALUES (0);

-- +goose Down
DROP TABLE current_revision, revisions, keyauth_credentials, plugins, targets, upstreams, consumers, routes, services;
