package admin

import (
	"net"
	"net/http"
	"slices"
	"strconv"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/store"
)

// Standing is the health of a target in this process.
type Standing struct {
	Health    string   // HEALTHY, UNHEALTHY, DNS_ERROR or HEALTHCHECKS_OFF
	Addresses []string // IP addresses that the target's name resolves to
}

// healthVerbs returns the methods of /upstreams/x/health and of
// .../targets/y[/address]/healthy or unhealthy.
func (a *api) healthVerbs(parts []string) verbs {
	if a.config.Targets == nil || len(parts) < 3 {
		return nil
	}
	last := parts[len(parts)-1]
	switch {
	case len(parts) == 3 && last == "health":
		return verbs{"GET": func(w http.ResponseWriter, r *http.Request) { a.upstreamHealth(w, r, parts[1]) }}
	case (len(parts) == 5 || len(parts) == 6) && parts[2] == "targets" && (last == "healthy" || last == "unhealthy"):
		set := func(w http.ResponseWriter, r *http.Request) { a.setHealth(w, r, parts[1], parts[3], last == "healthy") }
		return verbs{"PUT": set, "POST": set} // POST as Kong had it first
	}
	return nil
}

// upstreamOf finds the upstream of a path. ok is false when it has responded with an
// error.
func (a *api) upstreamOf(w http.ResponseWriter, r *http.Request, key string) (u entity.Record, ok bool) {
	s, _ := a.config.Schemas.ByName("upstreams")
	u, err := a.store.Select(r.Context(), s, key, nil)
	switch {
	case err != nil:
		a.fail(w, err)
	case u == nil:
		a.notFound(w)
	}
	return u, err == nil && u != nil
}

func (a *api) setHealth(w http.ResponseWriter, r *http.Request, upstream, target string, healthy bool) {
	u, ok := a.upstreamOf(w, r, upstream)
	if !ok {
		return
	}
	id, _ := u["id"].(string)
	s, _ := a.config.Schemas.ByName("targets")
	key := target
	if normal, err := entity.NormalizeTarget(target); err == nil && !isID(target) {
		key = normal
	}
	t, err := a.store.Select(r.Context(), s, key, map[string]string{"upstream": id})
	if err != nil {
		a.fail(w, err)
		return
	}
	if t == nil {
		a.notFound(w)
		return
	}
	address, _ := t["target"].(string)
	if err := a.config.Targets.SetHealth(r.Context(), id, address, healthy); err != nil {
		a.fail(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// upstreamHealth responds with the health of each target, or with balancer_health=1
// that of the whole upstream.
func (a *api) upstreamHealth(w http.ResponseWriter, r *http.Request, key string) {
	u, ok := a.upstreamOf(w, r, key)
	if !ok {
		return
	}
	id, _ := u["id"].(string)
	size, ok := a.sizeOf(w, r)
	var after int64
	if !ok || !a.offsetOf(w, r, &after) {
		return
	}
	whole := slices.Contains([]string{"1", "true"}, r.URL.Query().Get("balancer_health"))
	if whole {
		size = 1000
	}
	s, _ := a.config.Schemas.ByName("targets")
	list, next, err := a.store.List(r.Context(), s, store.Query{Foreign: map[string]string{"upstream": id}, Size: size, After: after})
	if err != nil {
		a.fail(w, err)
		return
	}
	config, err := entity.Decode[entity.Upstream](u)
	if err != nil {
		a.fail(w, err)
		return
	}
	data, total, available := a.targetsHealth(id, list, &config)
	if whole {
		a.answer(w, http.StatusOK, map[string]any{"node_id": a.config.NodeID, "data": map[string]any{
			"id": id, "health": balancerHealth(&config, total, available),
			"details": map[string]any{"weight": weights(total, available), "hosts": data},
		}})
		return
	}
	page := []int64{}
	if next != 0 {
		page = append(page, next)
	}
	a.nodePage(w, r, data, page...)
}

// targetsHealth adds the health to each target, and returns their total and
// available weight.
func (a *api) targetsHealth(id string, targets []entity.Record, u *entity.Upstream) (data []any, total, available float64) {
	unwatched := "HEALTHCHECKS_OFF"
	if u.Healthchecks.On() {
		unwatched = "HEALTHY" // no check has failed
	}
	standings := a.config.Targets.balancers.Standings(id)
	data = []any{}
	for _, t := range targets {
		address, _ := t["target"].(string)
		weight := float64(0)
		if n, ok := t["weight"].(int64); ok {
			weight = float64(n)
		}
		st, known := standings[address]
		if !known {
			st.Health = unwatched
		}
		total += weight
		if st.Health == "HEALTHY" || st.Health == "HEALTHCHECKS_OFF" {
			available += weight
		}
		t["health"], t["data"] = st.Health, healthData(address, st, weight)
		data = append(data, t)
	}
	return data, total, available
}

// balancerHealth is the health of an upstream: whether enough weight is available.
func balancerHealth(u *entity.Upstream, total, available float64) string {
	switch {
	case !u.Healthchecks.On():
		return "HEALTHCHECKS_OFF"
	case available == 0 || available*100 < u.Healthchecks.Threshold*total:
		return "UNHEALTHY"
	}
	return "HEALTHY"
}

func weights(total, available float64) map[string]any {
	return map[string]any{"total": total, "available": available, "unavailable": total - available}
}

// healthData describes a target's addresses in Kong's form.
func healthData(target string, st Standing, weight float64) map[string]any {
	host, text, _ := net.SplitHostPort(target)
	port, _ := strconv.Atoi(text)
	available := weight
	word := "HEALTHY"
	if st.Health == "UNHEALTHY" || st.Health == "DNS_ERROR" {
		available, word = 0, "UNHEALTHY"
	}
	addresses := []any{}
	dns := "A"
	for _, ip := range st.Addresses {
		at := port
		if name, own, err := net.SplitHostPort(ip); err == nil { // of a service
			dns, ip = "SRV", name
			at, _ = strconv.Atoi(own)
		}
		addresses = append(addresses, map[string]any{"ip": ip, "port": at, "health": word, "weight": weight})
	}
	if net.ParseIP(host) != nil {
		dns = "ttl=0, virtual SRV"
	}
	return map[string]any{
		"host": host, "port": port, "dns": dns, "nodeWeight": weight, "weight": weights(weight, available), "addresses": addresses,
	}
}
