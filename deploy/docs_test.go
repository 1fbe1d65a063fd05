package deploy_test

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// documents are those whose links this test follows, from the top.
var documents = []string{"README.md", "deploy/README.md", "deploy/REFERENCE.md"}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	named   = regexp.MustCompile("(?:^|[\\s`:])(?:\\./|plausible-webhooks/)?((?:cmd|cdc|config|deploy|evaluator|sender)/[A-Za-z0-9_./-]*[A-Za-z0-9_])")
)

// Every link within the repository leads somewhere, its heading included.
func TestLinksLeadSomewhere(t *testing.T) {
	for _, name := range documents {
		for _, found := range link.FindAllStringSubmatch(read(t, name), -1) {
			target, err := url.Parse(found[1])
			if err != nil || target.Host != "" {
				continue
			}
			path := name
			if target.Path != "" {
				path = filepath.Join(filepath.Dir(name), target.Path)
			}
			if _, err := os.Stat(filepath.Join("..", path)); err != nil {
				t.Errorf("%s links to %s, which is not there", name, found[1])
				continue
			}
			if target.Fragment != "" && !anchors(read(t, path))[target.Fragment] {
				t.Errorf("%s links to %s, which has no such heading", name, found[1])
			}
		}
	}
}

// Every path of a file or folder that is named without a link is there, too.
func TestNamedPathsAreThere(t *testing.T) {
	for _, name := range documents {
		count := 0
		for _, found := range named.FindAllStringSubmatch(read(t, name), -1) {
			count++
			path := strings.TrimSuffix(found[1], "/...")
			if _, err := os.Stat(filepath.Join("..", path)); err != nil {
				t.Errorf("%s names %s, which is not there", name, found[1])
			}
		}
		if name == "README.md" && count == 0 {
			t.Error("README.md names no path; this test reads it wrongly")
		}
	}
}

func TestTheREADMEStaysTheWayIn(t *testing.T) {
	if lines := strings.Count(read(t, "README.md"), "\n"); lines >= 400 {
		t.Errorf("README.md has %d lines; want fewer than 400", lines)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// anchors are the fragments that headings can be reached by, as the usual
// viewers make them.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(text, -1) {
		found[strings.Map(func(r rune) rune {
			switch {
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			}
			return -1
		}, h[1])] = true
	}
	return found
}
