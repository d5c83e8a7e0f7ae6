package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
)

// Limits of the worker's API.
const (
	maxAttackBytes = 16 << 20
	keepAttacks    = 32 // attacks that are over and remembered
)

// Worker runs attacks when asked over HTTP. One attack may run beside any
// number of probes.
type Worker struct {
	allowed []string
	mu      sync.Mutex
	runs    map[string]*run
	order   []string // of runs, oldest first
	made    int
	closed  bool
}

// NewWorker makes a worker that attacks loopback and the hosts in
// allowed.
func NewWorker(allowed []string) *Worker {
	return &Worker{allowed: allowed, runs: map[string]*run{}}
}

// Handler serves the API:
//
//	POST   /attacks              start one: 202 and Progress
//	GET    /attacks/{id}         Progress; ?from=n leaves out the series before second n
//	GET    /attacks/{id}/result  Result; 409 while it runs
//	DELETE /attacks/{id}         stop it, and wait: Progress
//	GET    /clock                Now: what this machine's clock shows
//	GET    /health               200
//
// Errors are {"message": "..."}.
func (w *Worker) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(rw http.ResponseWriter, _ *http.Request) {
		reply(rw, http.StatusOK, map[string]any{"status": "ok", "files": fileLimit(), "cores": cores()})
	})
	mux.HandleFunc("GET /clock", func(rw http.ResponseWriter, _ *http.Request) {
		reply(rw, http.StatusOK, load.Now{UnixNano: time.Now().UnixNano()})
	})
	mux.HandleFunc("POST /attacks", w.begin)
	mux.HandleFunc("GET /attacks/{id}", w.with(func(rw http.ResponseWriter, q *http.Request, r *run) {
		from, err := strconv.Atoi(q.FormValue("from"))
		if err != nil {
			from = -int(load.MaxDuration / time.Second) // all of it, with the warm-up
		}
		reply(rw, http.StatusOK, r.progress(from))
	}))
	mux.HandleFunc("GET /attacks/{id}/result", w.with(func(rw http.ResponseWriter, _ *http.Request, r *run) {
		select {
		case <-r.over:
			reply(rw, http.StatusOK, r.result)
		default:
			refuse(rw, http.StatusConflict, fmt.Errorf("attack %s is not over", r.attack.ID))
		}
	}))
	mux.HandleFunc("DELETE /attacks/{id}", w.with(func(rw http.ResponseWriter, q *http.Request, r *run) {
		r.stop()
		select {
		case <-r.over:
			reply(rw, http.StatusOK, r.progress(0))
		case <-q.Context().Done():
		}
	}))
	return mux
}

// with finds the attack that a request is about.
func (w *Worker) with(f func(http.ResponseWriter, *http.Request, *run)) http.HandlerFunc {
	return func(rw http.ResponseWriter, q *http.Request) {
		id := q.PathValue("id")
		w.mu.Lock()
		r := w.runs[id]
		w.mu.Unlock()
		if r == nil {
			refuse(rw, http.StatusNotFound, fmt.Errorf("there is no attack %q", id))
			return
		}
		f(rw, q, r)
	}
}

func (w *Worker) begin(rw http.ResponseWriter, q *http.Request) {
	var a load.Attack
	dec := json.NewDecoder(http.MaxBytesReader(rw, q.Body, maxAttackBytes))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&a); err != nil {
		refuse(rw, http.StatusBadRequest, fmt.Errorf("attack: %w", err))
		return
	}
	if err := a.Validate(); err != nil {
		refuse(rw, http.StatusBadRequest, err)
		return
	}
	targets := []string{a.Target}
	if a.Standby != "" {
		targets = append(targets, a.Standby)
	}
	for _, target := range targets {
		if err := CheckTarget(q.Context(), w.allowed, target); err != nil {
			refuse(rw, http.StatusForbidden, err)
			return
		}
	}
	r, err := w.add(a)
	if err != nil {
		code := http.StatusBadRequest
		if errors.Is(err, errBusy) {
			code = http.StatusConflict
		}
		refuse(rw, code, err)
		return
	}
	reply(rw, http.StatusAccepted, r.progress(0))
}

// errBusy refuses an attack that another one stands in the way of.
var errBusy = errors.New("worker is busy")

func (w *Worker) add(a load.Attack) (*run, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, fmt.Errorf("%w: it is shutting down", errBusy)
	}
	if a.ID == "" {
		w.made++
		a.ID = "attack-" + strconv.Itoa(w.made)
	}
	for id, r := range w.runs {
		select {
		case <-r.over:
			continue
		default:
		}
		if id == a.ID || (a.Model != load.Probes && r.attack.Model != load.Probes && id != a.Beside) {
			return nil, fmt.Errorf("%w: attack %s is not over", errBusy, id)
		}
	}
	r, err := start(a)
	if err != nil {
		return nil, err
	}
	w.remember(a.ID, r)
	return r, nil
}

// remember keeps an attack; an ID may be used again once its attack is over.
func (w *Worker) remember(id string, r *run) {
	if _, ok := w.runs[id]; !ok {
		w.order = append(w.order, id)
	}
	w.runs[id] = r
	for i := 0; len(w.order) > keepAttacks && i < len(w.order); {
		select {
		case <-w.runs[w.order[i]].over:
			delete(w.runs, w.order[i])
			w.order = append(w.order[:i], w.order[i+1:]...)
		default:
			i++
		}
	}
}

// Close stops every attack and waits for its end.
func (w *Worker) Close() {
	w.mu.Lock()
	w.closed = true
	runs := make([]*run, 0, len(w.runs))
	for _, r := range w.runs {
		runs = append(runs, r)
	}
	w.mu.Unlock()
	for _, r := range runs {
		r.stop()
	}
	for _, r := range runs {
		<-r.over
	}
}

func reply(rw http.ResponseWriter, code int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		refuse(rw, http.StatusInternalServerError, err)
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(code)
	rw.Write(b)
}

func refuse(rw http.ResponseWriter, code int, err error) {
	b, _ := json.Marshal(map[string]string{"message": err.Error()})
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(code)
	rw.Write(b)
}
