package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func headerFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// headersOf are the names that webhook list --json shows, and the timeout.
func (s shell) headersOf() (names []any, timeout any) {
	s.t.Helper()
	r := s.run("webhook", "list", "--json")
	r.want(s.t, exitDone)
	shown := decode(s.t, strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(r.stdout), "["), "]"))
	return shown["headers"].([]any), shown["timeout_seconds"]
}

func TestHeadersOnTheCommandLine(t *testing.T) {
	s := newShell(t)
	first, second := headerFile(t, "Authorization: Bearer T0KEN\r\n\r\nX-Api-Key: T0KEN\n"), headerFile(t, "X-Other: T0KEN")
	results := []result{
		s.run("webhook", "add", "--url", hookURL, "--header-file", first, "--header-file", second, "--timeout", "20s"),
		s.run("webhook", "list"),
	}
	golden(t, "add_headers", results[0].stdout)
	golden(t, "list_headers", results[1].stdout)
	if diff := cmp.Diff([]any{"Authorization", "X-Api-Key", "X-Other"}, func() []any { names, _ := s.headersOf(); return names }()); diff != "" {
		t.Errorf("headers in JSON (-want +got):\n%s", diff)
	}
	results = append(results,
		s.runWith("x-api-key: T0KEN2\n", "webhook", "update", "1", "--header-file", "-", "--remove-header", "authorization", "--timeout", "7"),
		s.run("webhook", "update", "1", "--name", "Ops", "--json"),
	)
	if names, timeout := s.headersOf(); !cmp.Equal([]any{"X-Other", "x-api-key"}, names) || timeout != 7.0 {
		t.Errorf("after the update: headers %v, timeout %v", names, timeout)
	}
	for i, back := range []string{"default", "0", "0s"} {
		s.run("webhook", "update", "1", "--timeout", []string{"30s", "30", "1"}[i]).want(t, exitDone, "TIMEOUT")
		s.run("webhook", "update", "1", "--timeout", back).want(t, exitDone)
		if _, timeout := s.headersOf(); timeout != nil {
			t.Errorf("--timeout %s: timeout %v; want null", back, timeout)
		}
	}
	s.run("webhook", "update", "1", "--remove-header", "X-Other", "--remove-header", "X-Api-Key").want(t, exitDone)
	if names, _ := s.headersOf(); len(names) != 0 {
		t.Errorf("headers %v; want none left", names)
	}
	for _, r := range results {
		r.want(t, exitDone)
		if strings.Contains(r.stdout+r.stderr, "T0KEN") {
			t.Errorf("a value is shown:\n%s%s", r.stdout, r.stderr)
		}
	}
}

func TestMistakesInHeaders(t *testing.T) {
	s := newShell(t)
	s.run("webhook", "add", "--url", hookURL).want(t, exitDone)
	tests := []struct {
		stdin string
		line  []string
		parts []string
	}{
		{"X-Fine: v\nBearer T0KEN\n", []string{"--header-file", "-"}, []string{"--header-file: standard input: line 2 is not a header: write it as Name: value"}},
		{"X-Fine: v\nHost: T0KEN\nX-Fine: T0KEN\nX-Empty:\n", []string{"--header-file", "-"}, []string{
			"--header-file (header number 2): header Host is not allowed", "--header-file (header number 3): header X-Fine is given twice", "--header-file (header number 4): the value of header X-Empty is empty"}},
		{"\n", []string{"--header-file", "-"}, []string{"--header-file: there is no header in standard input"}},
		{"X-A: T0KEN", []string{"--header-file", "-", "--header-file", "-"}, []string{"--header-file: standard input can be read once only"}},
		{"", []string{"--remove-header", "X-None"}, []string{"--remove-header: the webhook has no such header"}},
		{"", []string{"--timeout", "31s"}, []string{"--timeout", "want 1s to 30s in whole seconds, or default"}},
		{"", []string{"--timeout", "1500ms"}, []string{"--timeout", "want 1s to 30s"}},
		{"", []string{"--timeout=-1s"}, []string{"--timeout", "want 1s to 30s"}},
		{"", []string{"--timeout", "soon"}, []string{"--timeout", "want 1s to 30s"}},
	}
	for _, test := range tests {
		r := s.runWith(test.stdin, append([]string{"webhook", "update", "1"}, test.line...)...)
		r.want(t, exitMistaken, test.parts...)
		if strings.Contains(r.stdout+r.stderr, "T0KEN") {
			t.Errorf("%v: a value is shown:\n%s%s", test.line, r.stdout, r.stderr)
		}
	}
	s.runWith("a secret that a person chose", "webhook", "add", "--url", hookURL, "--secret-file", "-", "--header-file", "-").
		want(t, exitMistaken, "--header-file: standard input can be read once only")
	s.run("webhook", "update", "1", "--header-file", "/nonexistent").want(t, exitFailed, "read headers")
	s.run("webhook", "update", "1", "--header-file", headerFile(t, strings.Repeat("X-A: v\n", 20000))).want(t, exitFailed, "more than 65536 bytes")
	if names, timeout := s.headersOf(); len(names) != 0 || timeout != nil {
		t.Errorf("a mistake changed something: %v, %v", names, timeout)
	}
}

func TestCheckTellsOfHeadersWithoutTheirKey(t *testing.T) {
	s := newShell(t).with("CLICKHOUSE_DATABASE_URL=http://127.0.0.1:1/events", "WEBHOOKS_PLAUSIBLE_URL=http://127.0.0.1:1")
	s.run("webhook", "add", "--format", "slack", "--url", hookURL, "--header-file", headerFile(t, "X-Api-Key: T0KEN")).want(t, exitDone)
	s.wantFinding(s.findings(exitFailed), "headers", levelOK, "each can be sent") // ClickHouse is what fails.
	found := s.with("SECRET_KEY_BASE=").findings(exitFailed)
	s.wantFinding(found, "secrets", levelOK, "")
	s.wantFinding(found, "headers", levelFailure, "webhook 1: its header X-Api-Key cannot be read, and its deliveries wait")
	s.wantFinding(found, "headers", levelFailure, "plausible-webhooks webhook update 1 --header-file FILE")
}
