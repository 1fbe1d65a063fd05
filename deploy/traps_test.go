package deploy_test

import (
	"fmt"
	"go/ast"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var namedTest = regexp.MustCompile("`(Test[A-Z][A-Za-z0-9_]*)(?:/([^`]+))?`")

// Every test that a document names is there, its case too.
func TestNamedTestsAreThere(t *testing.T) {
	cases := map[string][]string{} // The strings in each test.
	for _, file := range sources(t, func(path string) bool { return strings.HasSuffix(path, "_test.go") }) {
		for _, declared := range file.Decls {
			test, ok := declared.(*ast.FuncDecl)
			if !ok || test.Recv != nil || !strings.HasPrefix(test.Name.Name, "Test") {
				continue
			}
			found := append([]string{}, cases[test.Name.Name]...)
			texts(test, func(text string) { found = append(found, text) })
			cases[test.Name.Name] = found
		}
	}
	count := 0
	for _, name := range documents {
		for _, found := range namedTest.FindAllStringSubmatch(read(t, name), -1) {
			count++
			within, ok := cases[found[1]]
			switch {
			case !ok:
				t.Errorf("%s names %s, which is no test", name, found[1])
			case found[2] != "" && !slices.Contains(within, found[2]):
				t.Errorf("%s names %q of %s, which has no such case", name, found[2], found[1])
			}
		}
	}
	if count < 50 {
		t.Errorf("%d tests were found in the documents; this test reads them wrongly", count)
	}
}

// The table of traps has all of them, and each is held by a test or cannot
// happen.
func TestEveryTrapIsHeld(t *testing.T) {
	const traps = 22
	_, section, ok := strings.Cut(read(t, "deploy/README.md"), "\n### Traps of Plausible, and where each is held\n")
	if !ok {
		t.Fatal("there is no section about traps")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	seen := 0
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) < 3 || strings.Contains(line, "held by |") {
			continue
		}
		held := cells[len(cells)-1]
		if !namedTest.MatchString(held) && !strings.HasPrefix(held, "cannot happen: ") {
			t.Errorf("nothing holds this trap: %s", line)
		}
		if number := strings.TrimSpace(cells[0]); number != "" {
			if seen++; number != fmt.Sprint(seen) {
				t.Errorf("trap %s stands where %d is expected", number, seen)
			}
		}
	}
	if seen != traps {
		t.Errorf("%d traps are in the table, want %d", seen, traps)
	}
}
