package manual

import (
	"slices"
	"strings"
	"unicode"
)

// Hit is a section that has every word of a query.
type Hit struct {
	Page    *Page
	Section Section
	Excerpt string // the text around the first word, without markup
	score   int
}

// Limits of a search.
const (
	maxHits      = 50
	maxWords     = 8
	excerptRunes = 160
)

// Search finds the sections in which every word of the query begins a word, best first:
// words in the title count more than words in the text.
func (m *Manual) Search(query string) (hits []Hit) {
	words := wordsOf(query)
	words = words[:min(len(words), maxWords)]
	if len(words) == 0 {
		return nil
	}
	for _, p := range m.pages {
		for _, s := range p.Sections {
			if score := scoreOf(p, s, words); score > 0 {
				hits = append(hits, Hit{Page: p, Section: s, Excerpt: excerpt(s.Text, words[0]), score: score})
			}
		}
	}
	slices.SortStableFunc(hits, func(a, b Hit) int { return b.score - a.score })
	return hits[:min(len(hits), maxHits)]
}

// scoreOf is 0 if a word is missing.
func scoreOf(p *Page, s Section, words []string) (score int) {
	title, body := wordsOf(p.Title+" "+s.Title), wordsOf(s.Text)
	for _, w := range words {
		n := 10*beginning(title, w) + min(beginning(body, w), 5)
		if n == 0 {
			return 0
		}
		score += n
	}
	return score
}

func beginning(words []string, prefix string) (n int) {
	for _, w := range words {
		if strings.HasPrefix(w, prefix) {
			n++
		}
	}
	return n
}

func wordsOf(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// excerpt is the part of a text around the first place of a word.
func excerpt(s, word string) string {
	runes := []rune(strings.Join(strings.Fields(s), " "))
	lower := []rune(strings.ToLower(string(runes)))
	start := 0
	if i := strings.Index(string(lower), word); i >= 0 {
		start = max(0, len([]rune(string(lower)[:i]))-excerptRunes/4)
	}
	end := min(len(runes), start+excerptRunes)
	out := string(runes[min(start, end):end])
	if start > 0 {
		out = "… " + out
	}
	if end < len(runes) {
		out += " …"
	}
	return out
}
