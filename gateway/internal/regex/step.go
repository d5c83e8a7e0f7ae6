package regex

import (
	"unicode/utf8"

	"github.com/dlclark/regexp2/syntax"
)

// step does one instruction; false sends the machine back to its last choice.
func (m *machine) step(in *instruction) bool {
	switch in.op {
	case syntax.One, syntax.Notone, syntax.Set:
		return m.takes(in)
	case syntax.Multi:
		return m.literal(in)
	case syntax.Ref:
		return m.reference(in)
	case syntax.Onerep, syntax.Notonerep, syntax.Setrep:
		return m.repeats(in)
	case syntax.Oneloop, syntax.Notoneloop, syntax.Setloop:
		n := 0
		for n < in.b && m.left > 0 && m.takes(in) {
			n++
		}
		if n > 0 {
			m.retry(n - 1)
		}
	case syntax.Onelazy, syntax.Notonelazy, syntax.Setlazy:
		if in.b > 0 {
			m.retry(in.b - 1)
		}
	case syntax.Goto:
		m.pc = in.a
	case syntax.Lazybranch:
		m.branch(in.a)
	case syntax.Setmark:
		m.push(m.pos)
	case syntax.Nullmark:
		m.push(-1)
	case syntax.Getmark:
		m.pos = m.pop()
	case syntax.Capturemark:
		m.capture(in.a, m.pop(), m.pos)
	case syntax.Setcount:
		m.push(m.pos)
		m.push(in.a)
	case syntax.Nullcount:
		m.push(-1)
		m.push(in.a)
	case syntax.Branchmark, syntax.Lazybranchmark:
		m.loop(in)
	case syntax.Branchcount, syntax.Lazybranchcount:
		m.counted(in)
	case syntax.Setjump:
		m.push(len(m.choices))
	case syntax.Forejump:
		m.choices = m.choices[:m.pop()]
	case syntax.Backjump:
		m.choices = m.choices[:m.pop()]
		return false
	case syntax.Nothing:
		return false
	case syntax.Testref:
		return m.groups[in.a].start >= 0
	default:
		return m.assert(in)
	}
	return true
}

// repeats takes one character after another, in.b of them.
func (m *machine) repeats(in *instruction) bool {
	for range in.b {
		if m.left <= 0 || !m.takes(in) {
			return false
		}
	}
	return true
}

// assert checks what takes no character.
func (m *machine) assert(in *instruction) bool {
	switch in.op {
	case syntax.Bol:
		return m.pos == 0 || m.text[m.pos-1] == '\n'
	case syntax.Eol:
		return m.pos == len(m.text) || m.text[m.pos] == '\n'
	case syntax.Boundary:
		return m.boundary()
	case syntax.Nonboundary:
		return !m.boundary()
	case syntax.Beginning, syntax.Start:
		return m.pos == 0
	case syntax.EndZ, syntax.End:
		// As in RE2, and unlike in PCRE, $ is not in front of a last newline:
		// that would be a path that the expression does not show.
		return m.pos == len(m.text)
	}
	return false
}

func (m *machine) boundary() bool {
	before, after := false, false
	if m.pos > 0 {
		c, _ := utf8.DecodeLastRuneInString(m.text[:m.pos])
		before = syntax.IsWordChar(c)
	}
	if m.pos < len(m.text) {
		c, _ := utf8.DecodeRuneInString(m.text[m.pos:])
		after = syntax.IsWordChar(c)
	}
	return before != after
}

// literal takes the instruction's text.
func (m *machine) literal(in *instruction) bool {
	for i := range in.text {
		want := in.text[i]
		if in.back {
			want = in.text[len(in.text)-1-i]
		}
		m.left--
		if c, ok := m.next(in); !ok || c != want {
			return false
		}
	}
	return true
}

// reference takes what a group has taken.
func (m *machine) reference(in *instruction) bool {
	group := m.groups[in.a]
	if group.start < 0 {
		return false
	}
	for rest := m.text[group.start:group.end]; rest != ""; {
		var want rune
		var size int
		if in.back {
			want, size = utf8.DecodeLastRuneInString(rest)
			rest = rest[:len(rest)-size]
		} else {
			want, size = utf8.DecodeRuneInString(rest)
			rest = rest[size:]
		}
		if in.fold {
			want = lower(want)
		}
		m.left--
		if c, ok := m.next(in); !ok || c != want {
			return false
		}
	}
	return true
}

// loop ends one round of an unbounded loop. A round that took nothing is the
// last one.
func (m *machine) loop(in *instruction) {
	mark := m.pop()
	switch {
	case m.pos == mark:
	case in.op == syntax.Lazybranchmark:
		m.retry(0)
	default:
		m.branch(m.pc)
		m.push(m.pos)
		m.pc = in.a
	}
}

// counted ends one round of a counted loop. The count is below 0 until there
// have been as many rounds as there must be.
func (m *machine) counted(in *instruction) {
	count := m.pop()
	mark := m.pop()
	again := func() {
		m.push(m.pos)
		m.push(count + 1)
		m.pc = in.a
	}
	switch {
	case count < 0:
		again()
	case count >= in.b || m.pos == mark:
	case in.op == syntax.Lazybranchcount:
		m.retry(count + 1)
	default:
		m.branch(m.pc)
		again()
	}
}

// backtrack goes back to the last choice; false when there is none left.
func (m *machine) backtrack() bool {
	for {
		last := len(m.choices) - 1
		if last < 0 || m.left <= 0 {
			return false
		}
		c := &m.choices[last]
		trail := int(c.trail)
		m.left -= 1 + (len(m.trail)-trail)/8
		m.undo(trail)
		m.pos, m.pc = int(c.pos), int(c.pc)
		if !c.own {
			m.choices = m.choices[:last]
			return true
		}
		if m.resume(&m.prog.code[c.pc], c, last) {
			return true
		}
	}
}

// resume takes the next way of an instruction. Loops over one character stay
// on the stack while they have more ways to go.
func (m *machine) resume(in *instruction, c *choice, last int) bool {
	switch in.op {
	case syntax.Oneloop, syntax.Notoneloop, syntax.Setloop:
		m.pos = m.prior(in, m.pos)
	case syntax.Onelazy, syntax.Notonelazy, syntax.Setlazy:
		if !m.takes(in) {
			m.choices = m.choices[:last]
			return false
		}
	default: // a lazy loop: one more round
		count := c.more
		m.choices = m.choices[:last]
		m.push(m.pos)
		if in.op == syntax.Lazybranchcount {
			m.push(int(count))
		}
		m.pc = in.a
		return true
	}
	m.pc++
	if c.pos = int32(m.pos); c.more == 0 {
		m.choices = m.choices[:last]
	} else {
		c.more--
	}
	return true
}
