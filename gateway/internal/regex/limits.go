package regex

import (
	"errors"
	"fmt"
	"regexp/syntax"
)

// The limits of an expression. They are far above what paths and headers need
// and low enough that no request can keep a core busy.
const (
	// maxText is how long an expression may be, in bytes.
	maxText = 4096
	// maxRepeat is the largest count of a repetition, as in RE2.
	maxRepeat = 1000
	// maxSize is how many instructions RE2's program may have: 40 bytes each.
	maxSize = 2000
	// maxRunes bounds the tables of character classes in RE2's program.
	maxRunes = 64 << 10
	// maxLinear bounds one evaluation by RE2: instructions of the program
	// times bytes of the text, which is more than the engine ever does. The
	// dearest programs take some 13 ns for each.
	maxLinear = 512 << 10
	// maxSteps is how many steps the backtracking engine takes for one
	// request, all expressions and all texts together. One takes some 8 ns.
	maxSteps = 200_000
	// maxDepth bounds the memory of the backtracking engine: so many choices of
	// 20 bytes, four times as many changes of 16.
	maxDepth = 8 << 10
)

// Work is what the expressions of one request have cost. The zero value has
// cost nothing yet.
type Work struct {
	steps int
	over  bool
}

// Exhausted says that an evaluation was broken off, so that it is not known
// whether the text matches.
func (w *Work) Exhausted() bool { return w.over }

// affords says whether RE2 may evaluate a program of that size on so long a
// text.
func (w *Work) affords(size, length int) bool {
	if size*(length+1) > maxLinear {
		w.over = true
	}
	return !w.over
}

// limitError says that an expression is too large, where a smaller one of the
// same kind would be taken.
type limitError struct{ text string }

func (e *limitError) Error() string { return e.text }

func overLimit(format string, args ...any) error {
	return &limitError{text: fmt.Sprintf(format, args...)}
}

// sizeOf is how many instructions RE2's program of an expression has, known
// before it is made: counted repetitions are written out.
func sizeOf(expr string, fold bool) (int, error) {
	flags := syntax.Perl
	if fold {
		flags |= syntax.FoldCase
	}
	re, err := syntax.Parse(expr, flags)
	var wrong *syntax.Error
	if errors.As(err, &wrong) {
		switch wrong.Code {
		case syntax.ErrInvalidRepeatSize:
			return 0, overLimit("%s: a repetition, with those inside it, is at most %d times", wrong.Expr, maxRepeat)
		case syntax.ErrLarge, syntax.ErrNestingDepth:
			return 0, overLimit("%v", wrong.Code)
		case syntax.ErrInvalidUTF8:
			return 0, overLimit("is not UTF-8")
		}
	}
	if err != nil {
		return 0, err
	}
	insts, runes := measure(re)
	if insts > maxSize || runes > maxRunes {
		return 0, overLimit("needs a program of %d instructions and %d characters in classes; at most %d and %d are allowed",
			insts, runes, maxSize, maxRunes)
	}
	return insts + 4, nil // \A, the match and the group around all
}

// measure gives upper bounds of a program's instructions and of the characters
// in its classes. Both stay below 2^31: the parser bounds the product of
// repetitions.
func measure(re *syntax.Regexp) (insts, runes int) {
	for _, sub := range re.Sub {
		i, r := measure(sub)
		insts, runes = min(insts+i, 1<<30), min(runes+r, 1<<30)
	}
	switch re.Op {
	case syntax.OpLiteral:
		return max(len(re.Rune), 1), len(re.Rune)
	case syntax.OpCharClass:
		return 1, len(re.Rune)
	case syntax.OpConcat:
		return insts + 1, runes
	case syntax.OpAlternate:
		return insts + len(re.Sub), runes
	case syntax.OpCapture:
		return insts + 2, runes
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest:
		return insts + 2, runes
	case syntax.OpRepeat:
		times := max(re.Min, re.Max, 1)
		return min(times*(insts+1)+2, 1<<30), min(times*runes, 1<<30)
	}
	return insts + 1, runes
}
