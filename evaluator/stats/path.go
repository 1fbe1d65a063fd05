package stats

import (
	"regexp"
	"strings"
)

// PathPattern returns the regular expression (RE2) of a page goal's path, and
// false where the path has no wildcard and matches by equality alone.
//
// As in Plausible (lib/plausible/stats/filters/utils.ex): everything is
// escaped; "|" is then an alternation again, which binds weaker than the
// anchors; "**" and "*" alike match anything, slashes and line breaks too.
func PathPattern(path string) (pattern string, wildcard bool) {
	if !strings.Contains(path, "*") {
		return "", false
	}
	escaped := regexp.QuoteMeta(path)
	escaped = strings.ReplaceAll(escaped, `\|`, "|")
	escaped = strings.ReplaceAll(escaped, `\*\*`, ".*")
	escaped = strings.ReplaceAll(escaped, `\*`, ".*")
	return "^" + escaped + "$", true
}

// CompilePath returns the matcher of a pattern of PathPattern with the meaning
// that ClickHouse's match() gives it: there a dot matches a line break.
func CompilePath(pattern string) (*regexp.Regexp, error) {
	return regexp.Compile("(?s)" + pattern)
}
