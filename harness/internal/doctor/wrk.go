package doctor

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

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/subprocess"
)

// The comparison with wrk: pairs of closed loops on the same null server, then open loops at shares of wrk's rate.
const (
	wrkPairs       = 5
	wrkConnections = 64
	wrkSeconds     = 1 // wrk knows whole seconds only
	wrkWithin      = 10 * time.Second
	wrkOpen        = 1500 * time.Millisecond
	keptRate       = 0.99 // of the offered rate: the validity check's limit
)

// wrkTakes is about how long all of it takes, starts included.
const wrkTakes = wrkPairs*(2*wrkSeconds*time.Second+100*time.Millisecond) + 10*wrkOpen

// wrkShares are the rates of the open loop, as shares of wrk's closed-loop rate.
var wrkShares = []float64{0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9}

// wrkComparison compares this generator with wrk, which is known for its small overhead. Shares are shares of wrk's rate, 0 to 1.
type wrkComparison struct {
	rate   float64 // wrk's, in requests per second; the median
	closed float64 // share that the closed loop reaches; the median of the pairs
	low    float64 // the lowest share of a pair
	high   float64 // the highest
	kept   float64 // largest share that the open loop kept, with all smaller ones; 0: none
	onTime float64 // likewise, with a send lag that is allowed in a valid run; 0: none
	lagMS  float64 // p99 of the send lag at onTime, in milliseconds
}

var wrkRate = regexp.MustCompile(`(?m)^Requests/sec:\s+([0-9.]+)\s*$`)

// compareWrk alternates wrk and the closed loop, then raises the open loop's rate until it is not kept. It is nil without an error if wrk
// is not installed.
func compareWrk(ctx context.Context, null string, attack attackFunc) (*wrkComparison, error) {
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
	b := &wrkComparison{rate: rates[wrkPairs/2], closed: shares[wrkPairs/2], low: shares[0], high: shares[wrkPairs-1]}
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
			Advice: "try wrk by itself, or remove it from the PATH: the doctor works without it"}, err, said.Bytes())
	}
	m := wrkRate.FindSubmatch(said.Bytes())
	if m == nil {
		return 0, fmt.Errorf("compare the generator with wrk: there is no rate in its output (%s): "+
			"want wrk 4, or none in the PATH: the doctor works without it", subprocess.LastLine(said.Bytes()))
	}
	rate, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil || rate <= 0 {
		return 0, fmt.Errorf("wrk: rate %q is not allowed: want above 0", m[1])
	}
	return rate, nil
}

// leastOfWrk is the share of wrk's rate that the closed loop has to reach, or it may limit what is measured.
const leastOfWrk = 0.7

// findings say how the generator compares.
func (c *wrkComparison) findings() []Finding {
	if c == nil {
		return []Finding{{Check: "wrk", Level: OK, Found: "not installed: the generator was not compared with it (apt-get install wrk)"}}
	}
	closed := Finding{Check: "closed/wrk", Level: OK, Found: fmt.Sprintf(
		"%.0f%% of wrk's rate (%.0f%% to %.0f%% in %d pairs), which is %.0f requests/s with %d connections on the same server",
		c.closed*100, c.low*100, c.high*100, wrkPairs, c.rate, wrkConnections)}
	if c.closed < leastOfWrk {
		closed.Level = Warn
		closed.Remedy = fmt.Sprintf("below %.0f%%: the closed loop may limit what is measured of a fast target", leastOfWrk*100)
	}
	open := Finding{Check: "open/wrk", Level: OK, Found: fmt.Sprintf(
		"rates are kept up to %.0f%% of wrk's, and requests are sent on time up to %.0f%% (send lag p99 %.2f ms there)",
		c.kept*100, c.onTime*100, c.lagMS)}
	if c.onTime == 0 {
		open.Level, open.Remedy = Warn, "run when the machine is quiet"
		open.Found = fmt.Sprintf("requests were not sent on time even at %.0f%% of wrk's rate; rates are kept up to %.0f%%",
			wrkShares[0]*100, c.kept*100)
	}
	return []Finding{closed, open}
}
