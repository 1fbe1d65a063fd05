package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config/env"
	"plausible-webhooks/config/schema"
	"plausible-webhooks/deploy/devstack/stack"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) {
	// Tests that are parallel here wait most of the time, for other processes: more
	// of them than there are processors keep no processor busy. Who sets -parallel
	// is obeyed.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	code := stack.Main(m)
	if binaryDir != "" {
		_ = os.RemoveAll(binaryDir) // A leftover in the folder for temporary files is no failure.
	}
	os.Exit(code)
}

// update rewrites the golden files: UPDATE_GOLDEN=1 go test ./cmd/...
var update = os.Getenv("UPDATE_GOLDEN") != ""

const hookURL = "https://hooks.example.com/services/T0/secret-path"

// shell runs command lines in this process, against one database.
type shell struct {
	t       *testing.T
	environ []string
	db      *pgx.Conn // To look behind the scenes.
}

// result is what a command line came to.
type result struct {
	code           int
	stdout, stderr string
}

func newShell(t *testing.T) shell {
	t.Helper()
	s := emptyShell(t)
	if _, err := schema.Migrate(t.Context(), s.db); err != nil {
		t.Fatal(err)
	}
	s.exec(`insert into public.sites (id, domain, timezone, inserted_at, updated_at) values
		(1, 'example.com', 'Etc/UTC', now(), now()), (2, 'shop.example.org', 'Etc/UTC', now(), now())`)
	s.exec(`insert into public.goals (id, site_id, event_name, display_name, inserted_at, updated_at) values
		(10, 1, 'Signup', 'Signup', now(), now()), (11, 1, 'Paid', 'Paid, "yearly"', now(), now())`)
	return s
}

// emptyShell has Plausible's tables and none of ours.
func emptyShell(t *testing.T) shell {
	t.Helper()
	url := stack.TestDatabase(t, stack.V32)
	db, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	return shell{t: t, db: db, environ: []string{
		"BASE_URL=https://plausible.example.com", "DATABASE_URL=" + url, "CONFIG_DIR=/nonexistent",
		"SECRET_KEY_BASE=" + strings.Repeat("0123456789abcdef", 4),
	}}
}

func (s shell) with(variables ...string) shell {
	s.environ = append(append([]string(nil), s.environ...), variables...)
	return s
}

func (s shell) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.db.Exec(s.t.Context(), sql, args...); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
}

func (s shell) scan(into any, sql string, args ...any) {
	s.t.Helper()
	if err := s.db.QueryRow(s.t.Context(), sql, args...).Scan(into); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
}

func (s shell) run(args ...string) result { return s.runWith("", args...) }

func (s shell) runWith(stdin string, args ...string) result {
	s.t.Helper()
	return runLine(s.t, s.environ, stdin, args...)
}

func runLine(t *testing.T, environ []string, stdin string, args ...string) result {
	t.Helper()
	return typeLine(t, false, environ, stdin, args...)
}

// typeLine is runLine with a person at the terminal, or nobody.
func typeLine(t *testing.T, person bool, environ []string, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	code := execute(ctx, args, program{
		stdin: strings.NewReader(stdin), stdout: &stdout, stderr: &stderr,
		source: env.Source{Environ: environ, ReadFile: os.ReadFile, ReadDir: os.ReadDir},
		now:    time.Now, local: time.UTC, person: person,
	})
	return result{code, stdout.String(), stderr.String()}
}

// want checks exit code and parts of what was printed.
func (r result) want(t *testing.T, code int, parts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d; want %d\nstdout: %s\nstderr: %s", r.code, code, r.stdout, r.stderr)
	}
	for _, part := range parts {
		if !strings.Contains(r.stdout+r.stderr, part) {
			t.Errorf("%q is missing in\nstdout: %s\nstderr: %s", part, r.stdout, r.stderr)
		}
	}
}

var (
	times   = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`)
	secrets = regexp.MustCompile(`whsec_[A-Za-z0-9+/=]+`)
)

// golden compares with a file of testdata, after times and secrets are masked.
func golden(t *testing.T, name, got string) {
	t.Helper()
	got = secrets.ReplaceAllString(times.ReplaceAllString(got, "<time>"), "<secret>")
	path := filepath.Join("testdata", name+".golden")
	if update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; UPDATE_GOLDEN=1 rewrites it):\n%s", path, diff)
	}
}

func decode(t *testing.T, text string) (value map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return value
}

// background is for cleaning up, when the test's own context has ended.
var background = context.Background()

func itoa(n uint16) string { return strconv.Itoa(int(n)) }
