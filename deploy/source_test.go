package deploy_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// parsed is a Go file of the repository, with its path from the top.
type parsed struct {
	path string
	*ast.File
}

// sources parses all Go files whose path is wanted.
func sources(t *testing.T, wanted func(path string) bool) (files []parsed) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel("..", path)
		if entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && entry.Name() != ".." || entry.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(path, ".go") || !wanted(filepath.ToSlash(name)) {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		files = append(files, parsed{filepath.ToSlash(name), file})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no files were found")
	}
	return files
}

// shipped are the files that the program is made of.
func shipped(path string) bool {
	return !strings.HasSuffix(path, "_test.go") && !strings.HasPrefix(path, "deploy/")
}

// texts calls a function with each string literal in a part of a file.
func texts(of ast.Node, do func(text string)) {
	ast.Inspect(of, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil {
				do(text)
			}
		}
		return true
	})
}

var readFrom = regexp.MustCompile(`(?i)\b(?:from|join)\s+([a-z0-9_."]+)`)

// Questions to ClickHouse are put together in evaluator/stats alone. They read
// one table of Plausible's and name its columns: sessions, whose rows come in
// pairs that cancel out, are never counted.
func TestOnlyEventsAreReadAndByName(t *testing.T) {
	allowed := []string{"events_v2", "system.columns", "system.settings"}
	found := 0
	for _, file := range sources(t, shipped) {
		within := strings.HasPrefix(file.path, "evaluator/stats/")
		for _, imported := range file.Imports {
			if strings.Contains(imported.Path.Value, "ClickHouse") && !within {
				t.Errorf("%s imports %s: only evaluator/stats asks ClickHouse", file.path, imported.Path.Value)
			}
		}
		if !within {
			continue
		}
		texts(file.File, func(text string) {
			for _, of := range readFrom.FindAllStringSubmatch(text, -1) {
				found++
				if !slices.Contains(allowed, of[1]) {
					t.Errorf("%s reads %s:\n%s", file.path, of[1], text)
				}
			}
			if regexp.MustCompile(`(?i)select\s+(distinct\s+)?\*`).MatchString(text) {
				t.Errorf("%s reads columns without naming them:\n%s", file.path, text)
			}
		})
	}
	if found < 10 {
		t.Errorf("%d questions were found; this test reads them wrongly", found)
	}
}

// The columns of revenue are there in Plausible CE, and always empty.
func TestRevenueIsNeverRead(t *testing.T) {
	column := regexp.MustCompile(`(?i)\b(revenue_\w+|currency)\b`)
	for _, file := range sources(t, shipped) {
		texts(file.File, func(text string) {
			if found := column.FindString(text); found != "" {
				t.Errorf("%s names %s:\n%s", file.path, found, text)
			}
		})
	}
}
