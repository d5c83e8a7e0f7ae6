package regex

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/dlclark/regexp2/syntax"
)

// program is what the backtracking machine runs: the instructions that
// regexp2's compiler makes of an expression, decoded.
type program struct {
	code   []instruction
	names  map[string]int // of groups, to their numbers; nil when none has a name
	slots  map[int]int    // of groups' numbers; nil when they are the same
	groups int
}

// instruction is one operation. Characters are lower case when fold is set.
type instruction struct {
	op   syntax.InstOp
	back bool // reads towards the beginning of the text (look-behind)
	fold bool
	char rune
	set  *set
	text []rune
	a, b int // target or group, count
}

// set is a character class; what it says of ASCII is worked out beforehand.
type set struct {
	ascii [2]uint64
	rest  *syntax.CharSet
	cost  int // steps that a look into rest counts as
}

func (s *set) has(c rune) bool {
	if c < utf8.RuneSelf {
		return s.ascii[c>>6]&(1<<(c&63)) != 0
	}
	return s.rest.CharIn(c)
}

// newProgram compiles an expression. The compiler is another's: should it
// panic, the expression is refused.
func newProgram(expr string, fold bool) (p *program, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			p, err = nil, fmt.Errorf("cannot be compiled: %v", reason)
		}
	}()
	options := syntax.RegexOptions(0)
	if fold {
		options = syntax.IgnoreCase
	}
	tree, err := syntax.Parse(expr, options)
	if err != nil {
		return nil, err
	}
	code, err := syntax.Write(tree)
	if err != nil {
		return nil, err
	}
	if code.RightToLeft {
		return nil, fmt.Errorf("must read from left to right")
	}
	p = &program{names: tree.Capnames, slots: code.Caps, groups: code.Capsize}
	if err := p.decode(code, len(expr)); err != nil {
		return nil, err
	}
	return p, nil
}

// operands is how many numbers follow an operation, -1 for one that the
// machine does not know.
func operands(op syntax.InstOp) int {
	switch op {
	case syntax.Bol, syntax.Eol, syntax.Boundary, syntax.Nonboundary, syntax.Beginning, syntax.Start, syntax.EndZ, syntax.End,
		syntax.Nothing, syntax.Nullmark, syntax.Setmark, syntax.Getmark, syntax.Setjump, syntax.Backjump, syntax.Forejump, syntax.Stop:
		return 0
	case syntax.One, syntax.Notone, syntax.Set, syntax.Multi, syntax.Ref, syntax.Lazybranch, syntax.Branchmark, syntax.Lazybranchmark,
		syntax.Nullcount, syntax.Setcount, syntax.Testref, syntax.Goto:
		return 1
	case syntax.Onerep, syntax.Notonerep, syntax.Setrep, syntax.Oneloop, syntax.Notoneloop, syntax.Setloop,
		syntax.Onelazy, syntax.Notonelazy, syntax.Setlazy, syntax.Branchcount, syntax.Lazybranchcount, syntax.Capturemark:
		return 2
	}
	return -1
}

func (p *program) decode(code *syntax.Code, length int) error {
	sets := make([]*set, len(code.Sets))
	for i, s := range code.Sets {
		sets[i] = &set{rest: s, cost: 8 + length/16}
		for c := rune(0); c < utf8.RuneSelf; c++ {
			if s.CharIn(c) {
				sets[i].ascii[c>>6] |= 1 << (c & 63)
			}
		}
	}
	place := make(map[int]int, len(code.Codes)) // of operations among the instructions
	for at := 0; at < len(code.Codes); {
		raw := code.Codes[at]
		in := instruction{op: syntax.InstOp(raw & syntax.Mask), back: raw&syntax.Rtl != 0, fold: raw&syntax.Ci != 0}
		n := operands(in.op)
		if n < 0 || at+n >= len(code.Codes) {
			return fmt.Errorf("operation %d is not supported", in.op)
		}
		if n > 0 {
			in.a = code.Codes[at+1]
		}
		if n > 1 {
			in.b = code.Codes[at+2]
		}
		if err := in.resolve(code, sets); err != nil {
			return err
		}
		place[at] = len(p.code)
		p.code = append(p.code, in)
		at += n + 1
	}
	for i := range p.code {
		switch p.code[i].op {
		case syntax.Lazybranch, syntax.Branchmark, syntax.Lazybranchmark, syntax.Branchcount, syntax.Lazybranchcount, syntax.Goto:
			p.code[i].a = place[p.code[i].a]
		}
	}
	return nil
}

// resolve looks operands up in the tables, and refuses what is too much.
func (in *instruction) resolve(code *syntax.Code, sets []*set) error {
	switch in.op {
	case syntax.One, syntax.Notone, syntax.Onerep, syntax.Notonerep, syntax.Oneloop, syntax.Notoneloop, syntax.Onelazy, syntax.Notonelazy:
		in.char = rune(in.a)
	case syntax.Set, syntax.Setrep, syntax.Setloop, syntax.Setlazy:
		in.set = sets[in.a]
	case syntax.Multi:
		in.text = code.Strings[in.a]
	case syntax.Capturemark:
		if in.b != -1 {
			return fmt.Errorf("balancing groups are not supported")
		}
		return nil
	}
	count := in.b
	if in.op == syntax.Setcount {
		count = 1 - in.a
	}
	if count > maxRepeat && count != math.MaxInt32 {
		return overLimit("repeats something %d times; at most %d are allowed", count, maxRepeat)
	}
	return nil
}

// slot finds a group by its name or number.
func (p *program) slot(group string) (int, bool) {
	number, ok := p.names[group]
	if !ok {
		var err error
		if number, err = strconv.Atoi(group); err != nil {
			return 0, false
		}
	}
	if p.slots != nil {
		slot, ok := p.slots[number]
		return slot, ok
	}
	return number, number >= 0 && number < p.groups
}
