package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gatelab/gatelab/harness/internal/result/resulttest"
)

// sampleRuns is a command of scripts: runs FOLDER COUNT FACTOR writes results of nightly runs, the newer half of which has so many
// times the gateway's CPU time per request.
func sampleRuns(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: runs FOLDER COUNT FACTOR")
	}
	count, err := strconv.Atoi(args[1])
	ts.Check(err)
	factor, err := strconv.ParseFloat(args[2], 64)
	ts.Check(err)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range count {
		r := resulttest.Ladder()
		r.StartedAt = r.StartedAt.Add(time.Duration(i) * 24 * time.Hour)
		r.RunID = fmt.Sprintf("%s-ladder", r.StartedAt.Format("20060102T150405Z"))
		r.Manifest.Commit, r.Manifest.Dirty = fmt.Sprintf("%040x", 0xabc000+i), new(false)
		for j := range r.Stages {
			s := &r.Stages[j]
			for _, role := range s.Roles() { // in order, so that every run draws the same
				s.CPUPerRequestUS[role] *= math.Exp(0.02 * random.NormFloat64())
			}
			if i >= count/2 {
				s.CPUPerRequestUS["gateway"] *= factor
			}
		}
		ts.Check(r.Write(filepath.Join(ts.MkAbs(args[0]), r.RunID)))
	}
}
