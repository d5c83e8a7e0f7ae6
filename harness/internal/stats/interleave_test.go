package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func TestOrder(t *testing.T) {
	arms := []string{"base", "head", "base-again"}
	orders := map[string]int{}
	places := map[string]int{}
	after := map[string]int{}
	for round := 1; round <= 6; round++ {
		order := Order(arms, round)
		orders[fmt.Sprint(order)]++
		for place, arm := range order {
			places[fmt.Sprint(arm, place)]++
			if place > 0 {
				after[order[place-1]+arm]++
			}
		}
	}
	if len(orders) != 6 || arms[0] != "base" {
		t.Errorf("%v: want each order of three arms once in six rounds, and the argument unchanged", orders)
	}
	for what, n := range places {
		if n != 2 {
			t.Errorf("%s: %d times in six rounds, want 2", what, n)
		}
	}
	for what, n := range after {
		if n != 2 {
			t.Errorf("%s in a row: %d times in six rounds, want 2", what, n)
		}
	}
	if a, b := fmt.Sprint(Order(arms[:2], 1)), fmt.Sprint(Order(arms[:2], 2)); a == b {
		t.Errorf("two arms: %s in both rounds", a)
	}
	if got := Order([]int{}, 1); len(got) != 0 {
		t.Errorf("of no arms: %v", got)
	}
}

func TestNoiseOf(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var a, b []float64
	for range 2000 {
		host := math.Exp(0.3 * random.NormFloat64())
		a = append(a, host*math.Exp(0.05*random.NormFloat64()))
		b = append(b, host*math.Exp(0.05*random.NormFloat64()))
	}
	n, ok := NoiseOf(a, b)
	if !ok || math.Abs(n.Pairs-0.05*math.Sqrt2) > 0.005 || math.Abs(n.CV-0.31) > 0.03 {
		t.Errorf("%+v %v: want pairs 0.0707, CV 0.31", n, ok)
	}
	for _, row := range []struct {
		name string
		a, b []float64
	}{
		{name: "two pairs", a: []float64{1, 2}, b: []float64{1, 2}},
		{name: "an unpaired value", a: []float64{1, 2, 3}, b: []float64{1, 2}},
		{name: "a value of zero", a: []float64{1, 2, 0}, b: []float64{1, 2, 3}},
	} {
		if _, ok := NoiseOf(row.a, row.b); ok {
			t.Errorf("%s: noise was estimated", row.name)
		}
	}
}
