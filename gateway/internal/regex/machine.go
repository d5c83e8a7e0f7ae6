package regex

import (
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2/syntax"
)

// machine is one evaluation. What an instruction changes is written into the
// trail; a choice remembers how long the trail was, so that going back to it
// is undoing what came after.
type machine struct {
	prog *program
	text string
	pos  int // in text, in bytes
	pc   int // of the next instruction

	groups  []span // by slot; start -1: took nothing
	marks   []int  // positions and counts that loops and groups keep
	trail   []change
	choices []choice

	left int // steps
}

type span struct{ start, end int32 }

// change is how to undo one.
type change struct {
	kind  changeKind
	slot  int32
	value span
}

type changeKind uint8

const (
	pushed   changeKind = iota // a mark
	popped                     // a mark; value.start was it
	captured                   // a group; value was it
)

// choice is another way that an instruction can go.
type choice struct {
	pc    int32
	pos   int32
	more  int32 // further ways of the same kind
	trail int32
	own   bool // the instruction at pc goes on; otherwise it is begun
}

var machines = sync.Pool{New: func() any { return &machine{} }}

// run evaluates the program: at the beginning of text alone, or at every
// place. The machine, which has the groups, must be released; nil is no match.
func (p *program) run(text string, anchored bool, w *Work) *machine {
	if w.over {
		return nil
	}
	m := machines.Get().(*machine)
	m.prog = p
	m.text = text
	m.left = maxSteps - w.steps
	var matched bool
	for start := 0; ; {
		if matched = m.evaluate(start); matched || anchored || m.left <= 0 || start >= len(text) {
			break
		}
		_, size := utf8.DecodeRuneInString(text[start:])
		start += size
	}
	w.steps = maxSteps - m.left
	w.over = m.left <= 0
	if !matched || w.over {
		m.release()
		return nil
	}
	return m
}

// release gives the machine back.
func (m *machine) release() {
	m.prog, m.text = nil, ""
	machines.Put(m)
}

// evaluate runs the program at one place of the text.
func (m *machine) evaluate(start int) bool {
	m.pos, m.pc = start, 0
	m.marks = m.marks[:0]
	m.trail = m.trail[:0]
	m.choices = m.choices[:0]
	m.groups = m.groups[:0]
	for range m.prog.groups {
		m.groups = append(m.groups, span{-1, -1})
	}
	for m.left > 0 {
		m.left--
		in := &m.prog.code[m.pc]
		if in.op == syntax.Stop {
			return m.groups[0].start >= 0
		}
		m.pc++
		if !m.step(in) && !m.backtrack() {
			return false
		}
		if len(m.choices) > maxDepth || len(m.trail) > 4*maxDepth {
			m.left = 0
		}
	}
	return false
}

// branch leaves another place to go on from here.
func (m *machine) branch(pc int) {
	m.choices = append(m.choices, choice{pc: int32(pc), pos: int32(m.pos), trail: int32(len(m.trail))})
}

// retry leaves another way of the instruction that is being done.
func (m *machine) retry(more int) {
	m.choices = append(m.choices, choice{pc: int32(m.pc - 1), pos: int32(m.pos), more: int32(more), trail: int32(len(m.trail)), own: true})
}

func (m *machine) push(mark int) {
	m.marks = append(m.marks, mark)
	m.trail = append(m.trail, change{kind: pushed})
}

func (m *machine) pop() int {
	last := len(m.marks) - 1
	mark := m.marks[last]
	m.marks = m.marks[:last]
	m.trail = append(m.trail, change{kind: popped, value: span{start: int32(mark)}})
	return mark
}

func (m *machine) capture(slot, start, end int) {
	s := span{int32(start), int32(end)}
	if s.end < s.start { // read backwards
		s.start, s.end = s.end, s.start
	}
	m.trail = append(m.trail, change{kind: captured, slot: int32(slot), value: m.groups[slot]})
	m.groups[slot] = s
}

// undo takes changes back until the trail is that long.
func (m *machine) undo(length int) {
	for i := len(m.trail) - 1; i >= length; i-- {
		switch c := &m.trail[i]; c.kind {
		case pushed:
			m.marks = m.marks[:len(m.marks)-1]
		case popped:
			m.marks = append(m.marks, int(c.value.start))
		case captured:
			m.groups[c.slot] = c.value
		}
	}
	m.trail = m.trail[:length]
}

// next reads a character in the instruction's direction; false at the end.
func (m *machine) next(in *instruction) (rune, bool) {
	var c rune
	size := 1
	switch {
	case in.back && m.pos == 0, !in.back && m.pos == len(m.text):
		return 0, false
	case in.back:
		if c = rune(m.text[m.pos-1]); c >= utf8.RuneSelf {
			c, size = utf8.DecodeLastRuneInString(m.text[:m.pos])
		}
		m.pos -= size
	default:
		if c = rune(m.text[m.pos]); c >= utf8.RuneSelf {
			c, size = utf8.DecodeRuneInString(m.text[m.pos:])
		}
		m.pos += size
	}
	if in.fold {
		c = lower(c)
	}
	return c, true
}

func lower(c rune) rune {
	if c < utf8.RuneSelf {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		return c
	}
	return unicode.ToLower(c)
}

// prior is the position one character against the instruction's direction.
func (m *machine) prior(in *instruction, pos int) int {
	if in.back {
		_, size := utf8.DecodeRuneInString(m.text[pos:])
		return pos + size
	}
	_, size := utf8.DecodeLastRuneInString(m.text[:pos])
	return pos - size
}

// takes reads one character and says whether it is one that the instruction
// wants; otherwise the position stays.
func (m *machine) takes(in *instruction) bool {
	was := m.pos
	c, ok := m.next(in)
	m.left--
	switch in.op {
	case syntax.One, syntax.Onerep, syntax.Oneloop, syntax.Onelazy:
		ok = ok && c == in.char
	case syntax.Notone, syntax.Notonerep, syntax.Notoneloop, syntax.Notonelazy:
		ok = ok && c != in.char
	default:
		if c >= utf8.RuneSelf {
			m.left -= in.set.cost
		}
		ok = ok && in.set.has(c)
	}
	if !ok {
		m.pos = was
	}
	return ok
}
