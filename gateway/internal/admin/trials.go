package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/declarative"
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/store"
)

// TrialStore keeps trials of configurations.
type TrialStore interface {
	StartTrial(
		ctx context.Context, actor, name string, rules *entity.TrialRules,
		plan func(context.Context, *store.Contents) ([]store.EntityChange, error),
	) (id string, err error)
	DropTrial(ctx context.Context, key, actor, reason string) error
	PromoteTrial(ctx context.Context, key, actor, reason string) error
	Trials(ctx context.Context) ([]store.Trial, error)
}

// trials returns the methods of /trials and what is below.
func (a *api) trials(parts []string) verbs {
	if a.config.Trials == nil {
		message := map[string]any{"message": "trials need a database: a gateway with a file of its own is tried by giving the file to it alone"}
		refuse := func(w http.ResponseWriter, _ *http.Request) { a.answer(w, http.StatusMethodNotAllowed, message) }
		return verbs{"GET": refuse, "POST": refuse, "DELETE": refuse}
	}
	switch {
	case len(parts) == 0:
		return verbs{"GET": a.listTrials, "POST": a.startTrial}
	case len(parts) == 1:
		return verbs{"GET": a.showTrial(parts[0]), "DELETE": a.endTrial(parts[0], a.config.Trials.DropTrial)}
	case len(parts) == 2 && parts[1] == "promote":
		return verbs{"POST": a.endTrial(parts[0], a.config.Trials.PromoteTrial)}
	}
	return nil
}

func (a *api) listTrials(w http.ResponseWriter, r *http.Request) {
	list, err := a.config.Trials.Trials(r.Context())
	if err != nil {
		a.fail(w, err)
		return
	}
	if list == nil {
		list = []store.Trial{}
	}
	a.answer(w, http.StatusOK, map[string]any{"data": list, "next": nil})
}

// trial finds the newest trial of an id or a name. It returns nil when it has
// responded with an error.
func (a *api) trial(w http.ResponseWriter, r *http.Request, key string) *store.Trial {
	list, err := a.config.Trials.Trials(r.Context())
	if err != nil {
		a.fail(w, err)
		return nil
	}
	for i := range list {
		if list[i].ID == key || list[i].Name == key {
			return &list[i]
		}
	}
	a.notFound(w)
	return nil
}

func (a *api) showTrial(key string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		if t := a.trial(w, r, key); t != nil {
			a.answer(w, http.StatusOK, t)
		}
	}
}

// endTrial promotes or drops the trial that runs, and responds with it.
func (a *api) endTrial(
	key string, end func(ctx context.Context, key, actor, reason string) error,
) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		err := end(r.Context(), key, actor(r), "by hand")
		switch {
		case errors.Is(err, store.ErrNoTrial):
			a.answer(w, http.StatusNotFound, map[string]any{"message": fmt.Sprintf("no trial %q is running: GET /trials has all", key)})
		case err != nil:
			a.fail(w, err)
		default:
			a.showTrial(key)(w, r)
		}
	}
}

// trialBody is what POST /trials takes beside the fields of entity.TrialSchema: one of
// both.
type trialBody struct {
	Config  json.RawMessage      `json:"config"`
	Changes []declarative.Staged `json:"changes"`
}

// startTrial is POST /trials.
func (a *api) startTrial(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		a.unread(w, err)
		return
	}
	var body trialBody
	fields, err := entity.TrialSchema().DecodeJSON(raw)
	if err == nil {
		err = json.Unmarshal(raw, &body)
	}
	if err != nil {
		a.answer(w, http.StatusBadRequest, map[string]any{"message": "want a JSON object with name, which requests take part, " +
			"and config (a declarative configuration) or changes: " + err.Error()})
		return
	}
	delete(fields, "config")
	delete(fields, "changes")
	name, rules, err := NewTrial(fields, a.config.Now())
	if err != nil {
		a.fail(w, err)
		return
	}
	want, err := a.wanted(&body)
	if err == nil {
		_, err = a.config.Trials.StartTrial(r.Context(), actor(r), name, rules, PlanTrial(a.config.Schemas, want))
	}
	var problems declarative.Problems
	switch {
	case errors.As(err, &problems):
		a.answer(w, http.StatusBadRequest, invalidDeclarative(err))
	case err != nil:
		a.fail(w, err)
	default:
		if t := a.trial(w, r, name); t != nil {
			a.answer(w, http.StatusCreated, t)
		}
	}
}

// wanted returns what makes the configuration that is to be tried of the one that
// holds.
func (a *api) wanted(body *trialBody) (func(have *declarative.Set) (*declarative.Set, error), error) {
	now := a.config.Now()
	if (body.Config == nil) == (body.Changes == nil) {
		return nil, entity.SchemaError(map[string]any{"@entity": []any{"want one of 'config', a whole declarative configuration, " +
			"and 'changes', a list of changes of the configuration that holds"}})
	}
	if body.Changes != nil {
		return func(have *declarative.Set) (*declarative.Set, error) { return have.Stage(body.Changes, now) }, nil
	}
	text := []byte(body.Config)
	var quoted string
	if json.Unmarshal(body.Config, &quoted) == nil {
		text = []byte(quoted)
	}
	file, err := declarative.Read(text, a.config.Schemas)
	if err != nil {
		return nil, err
	}
	return FromFile(file, now), nil
}

// FromFile returns what makes the configuration of a file of the one that holds.
func FromFile(file *declarative.File, now time.Time) func(have *declarative.Set) (*declarative.Set, error) {
	return func(have *declarative.Set) (*declarative.Set, error) {
		want, err := file.Complete(have, now)
		if err != nil {
			return nil, err
		}
		return want, want.Storable()
	}
}

// NewTrial checks what a client says about a trial, and fills in defaults.
func NewTrial(fields entity.Record, now time.Time) (name string, rules *entity.TrialRules, err error) {
	r, err := entity.TrialSchema().ProcessInsert(fields, now, "")
	if err != nil {
		return "", nil, err
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return "", nil, err
	}
	rules = &entity.TrialRules{}
	name, _ = r["name"].(string)
	return name, rules, json.Unmarshal(raw, rules)
}

// PlanTrial returns the plan of a trial: the changes that make the configuration that
// is wanted of the one that holds.
func PlanTrial(
	catalog *entity.Catalog, want func(have *declarative.Set) (*declarative.Set, error),
) func(context.Context, *store.Contents) ([]store.EntityChange, error) {
	return func(_ context.Context, c *store.Contents) ([]store.EntityChange, error) {
		have := declarative.NewSet(catalog)
		have.Revision, have.Records = c.Revision, c.Records
		set, err := want(have)
		if err != nil {
			return nil, err
		}
		return Stored(declarative.Diff(have, set)), nil
	}
}

// Stored are changes as a store takes them.
func Stored(changes []declarative.Change) []store.EntityChange {
	operations := map[string]string{declarative.Create: "insert", declarative.Update: "update", declarative.Delete: "delete"}
	out := make([]store.EntityChange, len(changes))
	for i, c := range changes {
		out[i] = store.EntityChange{Schema: c.Schema, Operation: operations[c.Operation], Before: c.Before, After: c.After}
	}
	return out
}
