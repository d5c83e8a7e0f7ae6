package regex

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2/syntax"
)

// The texts that an expression is tried with.
const (
	probeRounds = 40  // of a loop
	probeText   = 256 // bytes
	probeWalks  = 24
	probeSteps  = 20 * maxSteps // of all of them
)

// Check tries an expression that needs the backtracking engine with texts that
// are made from it: they go through its loops many times and then fail, which
// is what makes a nested loop try every way there is. The error names a text
// that cannot be evaluated within the bounds. An expression that passes may
// have others; those are for the bounds themselves.
func (e *Expression) Check() error {
	if e.prog == nil {
		return nil
	}
	spent := 0
	tried := map[string]bool{}
	for i := range probeWalks {
		w := walk{prog: e.prog, random: i > 3, nested: i%2 == 1, skips: i&2 != 0}
		w.rand = rand.New(rand.NewPCG(uint64(i), 0)) //nolint:gosec // no secret
		for _, text := range w.texts() {
			if tried[text] || spent > probeSteps {
				continue
			}
			tried[text] = true
			var work Work
			if e.Match(text, &work); work.Exhausted() {
				return fmt.Errorf("is too expensive: %q, of %d bytes, needs more than %d steps of the backtracking engine; "+
					"repetitions inside repetitions are to be written so that a text can be divided among them in one way only",
					text, len(text), maxSteps)
			}
			spent += work.steps
		}
	}
	return nil
}

// walk goes through a program and writes down what would take it there.
type walk struct {
	prog   *program
	rand   *rand.Rand
	random bool // alternatives by chance
	nested bool // inner loops are gone round often, outer ones once
	skips  bool // the last alternative rather than the first

	text   []byte
	marks  []int
	rounds map[int]int // of loops, by their instruction
	exits  []int       // lengths of text at which a loop ended
}

// texts are the walk's text, and what it was after each loop, each with a
// character behind it that is hardly wanted there.
func (w *walk) texts() []string {
	w.rounds = map[int]int{}
	w.run()
	all := []string{string(w.text), string(w.text) + "\x01", string(w.text) + "!"}
	for _, n := range slices.Compact(w.exits) {
		all = append(all, string(w.text[:min(n, len(w.text))])+"\x01")
	}
	return all
}

func (w *walk) run() {
	for pc, steps := 0, 0; len(w.text) < probeText && steps < 4*maxText; steps++ {
		in := &w.prog.code[pc]
		if in.op == syntax.Stop {
			return
		}
		if pc = w.step(in, pc); pc < 0 || pc >= len(w.prog.code) {
			return
		}
	}
}

// step is the instruction to go on with.
func (w *walk) step(in *instruction, pc int) int {
	switch in.op {
	case syntax.One, syntax.Notone, syntax.Set:
		w.emit(in, 1)
	case syntax.Multi:
		w.text = append(w.text, string(in.text)...)
	case syntax.Onerep, syntax.Notonerep, syntax.Setrep:
		w.emit(in, in.b)
	case syntax.Oneloop, syntax.Notoneloop, syntax.Setloop, syntax.Onelazy, syntax.Notonelazy, syntax.Setlazy:
		w.emit(in, min(in.b, w.often(!w.nested)))
		w.exits = append(w.exits, len(w.text))
	case syntax.Goto:
		return in.a
	case syntax.Lazybranch:
		prevents := pc > 0 && w.prog.code[pc-1].op == syntax.Setjump
		if pc > 0 && (prevents || w.random && w.rand.IntN(2) == 0 || !w.random && w.skips) {
			return in.a
		}
	case syntax.Setmark, syntax.Nullmark:
		w.marks = append(w.marks, len(w.text))
	case syntax.Setcount, syntax.Nullcount:
		w.marks = append(w.marks, len(w.text))
		w.rounds[pc] = 0
	case syntax.Getmark: // the end of what is only looked at
		w.text = w.text[:min(w.pop(), len(w.text))]
	case syntax.Capturemark:
		w.pop()
	case syntax.Branchmark, syntax.Lazybranchmark, syntax.Branchcount, syntax.Lazybranchcount:
		return w.loop(in, pc)
	}
	return pc + 1
}

func (w *walk) pop() int {
	if len(w.marks) == 0 {
		return 0
	}
	last := w.marks[len(w.marks)-1]
	w.marks = w.marks[:len(w.marks)-1]
	return last
}

// often is how many rounds a loop is gone.
func (w *walk) often(yes bool) int {
	if yes {
		return probeRounds
	}
	return 1
}

func (w *walk) loop(in *instruction, pc int) int {
	if w.rounds[pc]++; w.rounds[pc] < w.often(w.nested) {
		return in.a
	}
	w.rounds[pc] = 0
	w.pop()
	w.exits = append(w.exits, len(w.text))
	return pc + 1
}

// emit writes n characters that the instruction takes.
func (w *walk) emit(in *instruction, n int) {
	c := w.sample(in)
	for ; n > 0 && len(w.text) < probeText; n-- {
		w.text = utf8.AppendRune(w.text, c)
	}
}

// sample is a character that the instruction takes: a letter if it can be one.
func (w *walk) sample(in *instruction) rune {
	if in.set == nil && (in.op == syntax.One || in.op == syntax.Onerep || in.op == syntax.Oneloop || in.op == syntax.Onelazy) {
		return in.char
	}
	wants := func(c rune) bool {
		if in.set != nil {
			return in.set.has(c)
		}
		return c != in.char
	}
	for _, c := range "abxAZ019-_./ é" {
		if wants(c) {
			return c
		}
	}
	for c := rune(1); c < unicode.MaxLatin1; c++ {
		if wants(c) {
			return c
		}
	}
	return 'a'
}
