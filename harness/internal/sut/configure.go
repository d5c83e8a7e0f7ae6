package sut

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/kong/go-kong/kong"
)

// configurator writes a scenario's entities through Kong's own client: a scenario can configure what go-kong knows.
type configurator struct {
	client *kong.Client
}

// decode turns a declarative entity into go-kong's type, dropping the nested
// collections that are created by calls of their own.
func decode[T any](raw map[string]any, nested ...string) (*T, error) {
	flat := make(map[string]any, len(raw))
	for k, v := range raw {
		flat[k] = v
	}
	for _, n := range nested {
		delete(flat, n)
	}
	b, err := json.Marshal(flat)
	if err != nil {
		return nil, err
	}
	var out T
	return &out, json.Unmarshal(b, &out)
}

// children returns raw[key] as a list of entities; absent is empty.
func children(raw map[string]any, key string) ([]map[string]any, error) {
	v, ok := raw[key]
	if !ok {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("entities: %s: want a list, got %T", key, v)
	}
	out := make([]map[string]any, 0, len(list))
	for i, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("entities: %s[%d]: want a map, got %T", key, i, e)
		}
		out = append(out, m)
	}
	return out, nil
}

// Apply creates entities over an Admin API, given by its URL: upstreams, services with their routes and plugins, consumers with their
// credentials, then the global plugins.
func Apply(ctx context.Context, admin string, entities map[string]any) error {
	client, err := kong.NewClient(&admin, &http.Client{Timeout: 30 * time.Second})
	if err != nil {
		return fmt.Errorf("admin client for %s: %w", admin, err)
	}
	c := &configurator{client: client}
	for _, step := range []struct {
		kind   string
		create func(context.Context, map[string]any) error
	}{
		{kind: "upstreams", create: c.upstream},
		{kind: "services", create: c.service},
		{kind: "consumers", create: c.consumer},
		{kind: "plugins", create: c.globalPlugin},
	} {
		list, err := children(entities, step.kind)
		if err != nil {
			return err
		}
		for _, e := range list {
			if err := step.create(ctx, e); err != nil {
				return fmt.Errorf("configure %s: %w", step.kind, err)
			}
		}
	}
	return nil
}

func (c *configurator) upstream(ctx context.Context, raw map[string]any) error {
	u, err := decode[kong.Upstream](raw, "targets")
	if err != nil {
		return err
	}
	made, err := c.client.Upstreams.Create(ctx, u)
	if err != nil {
		return err
	}
	targets, err := children(raw, "targets")
	if err != nil {
		return err
	}
	for _, t := range targets {
		target, err := decode[kong.Target](t)
		if err != nil {
			return err
		}
		if _, err := c.client.Targets.Create(ctx, made.ID, target); err != nil {
			return err
		}
	}
	return nil
}

func (c *configurator) service(ctx context.Context, raw map[string]any) error {
	s, err := decode[kong.Service](raw, "routes", "plugins")
	if err != nil {
		return err
	}
	made, err := c.client.Services.Create(ctx, s)
	if err != nil {
		return err
	}
	if err := c.plugins(raw, func(p *kong.Plugin) error {
		_, err := c.client.Plugins.CreateForService(ctx, made.ID, p)
		return err
	}); err != nil {
		return err
	}
	routes, err := children(raw, "routes")
	if err != nil {
		return err
	}
	for _, r := range routes {
		if err := c.route(ctx, made.ID, r); err != nil {
			return err
		}
	}
	return nil
}

func (c *configurator) route(ctx context.Context, serviceID *string, raw map[string]any) error {
	r, err := decode[kong.Route](raw, "plugins")
	if err != nil {
		return err
	}
	made, err := c.client.Routes.CreateInService(ctx, serviceID, r)
	if err != nil {
		return err
	}
	return c.plugins(raw, func(p *kong.Plugin) error {
		_, err := c.client.Plugins.CreateForRoute(ctx, made.ID, p)
		return err
	})
}

func (c *configurator) consumer(ctx context.Context, raw map[string]any) error {
	con, err := decode[kong.Consumer](raw, "keyauth_credentials", "basicauth_credentials", "jwt_secrets", "plugins")
	if err != nil {
		return err
	}
	made, err := c.client.Consumers.Create(ctx, con)
	if err != nil {
		return err
	}
	if err := credentials(ctx, raw, "keyauth_credentials", made.ID, c.client.KeyAuths.Create); err != nil {
		return err
	}
	if err := credentials(ctx, raw, "basicauth_credentials", made.ID, c.client.BasicAuths.Create); err != nil {
		return err
	}
	if err := credentials(ctx, raw, "jwt_secrets", made.ID, c.client.JWTAuths.Create); err != nil {
		return err
	}
	return c.plugins(raw, func(p *kong.Plugin) error {
		p.Consumer = &kong.Consumer{ID: made.ID}
		_, err := c.client.Plugins.Create(ctx, p)
		return err
	})
}

// credentials creates a consumer's credentials of one kind.
func credentials[T any](ctx context.Context, raw map[string]any, kind string, consumer *string,
	create func(context.Context, *string, *T) (*T, error),
) error {
	list, err := children(raw, kind)
	if err != nil {
		return err
	}
	for _, e := range list {
		one, err := decode[T](e)
		if err != nil {
			return err
		}
		if _, err := create(ctx, consumer, one); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

func (c *configurator) globalPlugin(ctx context.Context, raw map[string]any) error {
	p, err := decode[kong.Plugin](raw)
	if err != nil {
		return err
	}
	_, err = c.client.Plugins.Create(ctx, p)
	return err
}

// plugins creates raw's nested plugins through create.
func (c *configurator) plugins(raw map[string]any, create func(*kong.Plugin) error) error {
	list, err := children(raw, "plugins")
	if err != nil {
		return err
	}
	for _, e := range list {
		p, err := decode[kong.Plugin](e)
		if err != nil {
			return err
		}
		if err := create(p); err != nil {
			return err
		}
	}
	return nil
}
