package stats

import (
	"regexp"
	"strings"
)

// pathPattern returns the regular expression (RE2) of a goal's path, and false
// where the path has no wildcard and matches by equality alone.
//
// As in Plausible (lib/plausible/stats/filters/utils.ex): everything is
// escaped; "|" is then an alternation again, which binds weaker than the
// anchors; "**" and "*" alike match anything, slashes and line breaks too.
func pathPattern(path string) (pattern string, wildcard bool) {
	if !strings.Contains(path, "*") {
		return "", false
	}
	escaped := regexp.QuoteMeta(path)
	escaped = strings.ReplaceAll(escaped, `\|`, "|")
	escaped = strings.ReplaceAll(escaped, `\*\*`, ".*")
	escaped = strings.ReplaceAll(escaped, `\*`, ".*")
	return "^" + escaped + "$", true
}

// Path is the path of a goal with wildcards, ready to match. It decides as
// ClickHouse's match() does with pathPattern, at a hundredth of the memory of
// a compiled expression: an instance may have a hundred thousand of them.
type Path []alternative

// alternative is one side of a "|": texts with anything between them. The
// first alternative alone is anchored at the start and the last at the end.
type alternative struct {
	texts      []string
	start, end bool
}

// ParsePath reads the path of a goal; ok is false where it has no wildcard.
func ParsePath(path string) (p Path, ok bool) {
	if !strings.Contains(path, "*") {
		return nil, false
	}
	sides := strings.Split(path, "|")
	for i, side := range sides {
		p = append(p, alternative{strings.Split(side, "*"), i == 0, i == len(sides)-1})
	}
	return p, true
}

// Match reports whether a page's path matches.
func (p Path) Match(path string) bool {
	for _, a := range p {
		if a.match(path) {
			return true
		}
	}
	return false
}

func (a alternative) match(path string) bool {
	first, last := a.texts[0], a.texts[len(a.texts)-1]
	if len(a.texts) == 1 {
		switch {
		case a.start:
			return strings.HasPrefix(path, first) // Never also the end: there is a "*" on some side.
		case a.end:
			return strings.HasSuffix(path, last)
		}
		return strings.Contains(path, first)
	}
	if a.start {
		if !strings.HasPrefix(path, first) {
			return false
		}
		path = path[len(first):]
	}
	for i, text := range a.texts {
		if (i == 0 && a.start) || (i == len(a.texts)-1 && a.end) {
			continue
		}
		// The leftmost place leaves the most for the texts that follow.
		at := strings.Index(path, text)
		if at < 0 {
			return false
		}
		path = path[at+len(text):]
	}
	return !a.end || strings.HasSuffix(path, last)
}
