package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"time"

	"gatelab/harness/internal/load"
	"gatelab/harness/internal/subprocess"
)

// Of the comparison with wrk: pairs of closed loops on the same null server,
// then open loops at shares of wrk's rate.
const (
	wrkPairs       = 5
	wrkConnections = 64
	wrkSeconds     = 1 // wrk knows whole seconds only
	wrkWithin      = 10 * time.Second
	wrkOpen        = 1500 * time.Millisecond
	keptRate       = 0.99 // of the offered rate: the validity check's limit
)

// wrkShares are the rates of the open loop, as shares of wrk's closed-loop rate.
var wrkShares = []float64{0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9}

// besideWrk is this generator against wrk, the tool known for a small cost of
// its own.
type besideWrk struct {
	rate   float64 // wrk's, requests a second, median
	closed float64 // the closed loop's share of it, median of pairs
	low    float64 // of the pairs, likewise
	high   float64
	kept   float64 // largest share of wrk's rate that the open loop kept, with all smaller ones; 0: none
	onTime float64 // likewise, and with a send lag as a valid run may have; 0: none
	lagMS  float64 // the send lag at onTime, p99
}

var wrkRate = regexp.MustCompile(`(?m)^Requests/sec:\s+([0-9.]+)\s*$`)

// measureWrk alternates wrk and the closed loop, then raises the open loop's
// rate until it is not kept. It returns nil without an error where there is no
// wrk.
func measureWrk(ctx context.Context, null string, attack attacker) (*besideWrk, error) {
	program, err := exec.LookPath("wrk")
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // a tool that is optional is missing
	}
	var rates, shares []float64
	for range wrkPairs {
		rate, err := runWrk(ctx, program, null)
		if err != nil {
			return nil, err
		}
		res, err := attack(load.Closed, 0, wrkConnections, wrkSeconds*time.Second)
		if err != nil {
			return nil, fmt.Errorf("closed-loop: %w", err)
		}
		rates, shares = append(rates, rate), append(shares, res.QPS()/rate)
	}
	slices.Sort(rates)
	slices.Sort(shares)
	b := &besideWrk{rate: rates[wrkPairs/2], closed: shares[wrkPairs/2], low: shares[0], high: shares[wrkPairs-1]}
	for _, share := range wrkShares {
		res, err := attack(load.Open, b.rate*share, 4*wrkConnections, wrkOpen)
		if err != nil {
			return nil, fmt.Errorf("open-loop: %w", err)
		}
		if float64(res.Requests) < keptRate*float64(res.Requests+res.Unsent) || res.QPS() < keptRate*res.Attack.Rate {
			break
		}
		lag := res.Lag.Quantile(0.99)
		if late := lag > max(time.Millisecond, res.Corrected.Quantile(0.99)/10); !late && b.onTime == b.kept {
			b.onTime, b.lagMS = share, lag.Seconds()*1000
		}
		b.kept = share
	}
	return b, nil
}

// runWrk is wrk's rate against the null server.
func runWrk(ctx context.Context, program, null string) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, wrkWithin)
	defer cancel()
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, program, "-t"+strconv.Itoa(min(runtime.NumCPU(), wrkConnections)), "-c"+strconv.Itoa(wrkConnections),
		"-d"+strconv.Itoa(wrkSeconds)+"s", "http://"+null+"/")
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return 0, subprocess.Failed(ctx, subprocess.Failure{What: "compare the generator with wrk", Program: "wrk",
			Advice: "try wrk by itself, or take it from the PATH: the doctor does without it"}, err, said.Bytes())
	}
	m := wrkRate.FindSubmatch(said.Bytes())
	if m == nil {
		return 0, fmt.Errorf("compare the generator with wrk: there is no rate in what it said (%s): "+
			"want wrk 4, or none in the PATH: the doctor does without it", subprocess.LastLine(said.Bytes()))
	}
	rate, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil || rate <= 0 {
		return 0, fmt.Errorf("wrk: rate %q is not allowed: want above 0", m[1])
	}
	return rate, nil
}

// leastOfWrk is the share of wrk's rate that the closed loop has to reach so
// that it is not what limits a measurement.
const leastOfWrk = 0.7

// findings say how the generator compares.
func (b *besideWrk) findings() []finding {
	if b == nil {
		return []finding{{what: "wrk", level: "ok", found: "not installed: the generator was not compared with it (apt-get install wrk)"}}
	}
	closed := finding{what: "closed/wrk", level: "ok", found: fmt.Sprintf("%.0f%% of wrk's rate (%.0f%% to %.0f%% in %d pairs), which is %.0f requests/s with %d connections on the same server",
		b.closed*100, b.low*100, b.high*100, wrkPairs, b.rate, wrkConnections)}
	if b.closed < leastOfWrk {
		closed.level, closed.remedy = "note", fmt.Sprintf("below %.0f%%: the closed loop may be what limits a fast target", leastOfWrk*100)
	}
	open := finding{what: "open/wrk", level: "ok", found: fmt.Sprintf("rates are kept up to %.0f%% of wrk's, and requests leave on time up to %.0f%% (send lag p99 %.2f ms there)", b.kept*100, b.onTime*100, b.lagMS)}
	if b.onTime == 0 {
		open.level, open.remedy = "note", "run when the machine is quiet"
		open.found = fmt.Sprintf("requests did not leave on time even at %.0f%% of wrk's rate; rates are kept up to %.0f%%", wrkShares[0]*100, b.kept*100)
	}
	return []finding{closed, open}
}
