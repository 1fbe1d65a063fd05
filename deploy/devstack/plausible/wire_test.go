package plausible_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"plausible-webhooks/deploy/devstack/plausible"
	"plausible-webhooks/deploy/devstack/stack"
)

func TestPagesAreCompressedForThoseWhoTakeIt(t *testing.T) {
	f := setup(t, stack.V32, plausible.Current)
	f.signIn(f.http, "owner@example.com", "correct horse")
	_, plain, _ := f.get(client(t), "/login")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.server.URL()+"/login", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip") // Set by hand: the client leaves it to us to unzip.
	resp, err := f.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if got := resp.Header.Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("Content-Encoding = %q; want gzip", got)
	}
	reader, err := gzip.NewReader(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(reader); err != nil || string(body) != plain {
		t.Errorf("unzipped page differs from the plain one (%v)", err)
	}
}

func TestFirstStepsComeBeforeSettings(t *testing.T) {
	f := setup(t, stack.V32, plausible.Current)
	f.signIn(f.http, "owner@example.com", "correct horse")
	for _, tc := range []struct{ name, change, want, undo string }{
		{"unverified", `update users set email_verified = false`, "/activate", `update users set email_verified = true`},
		{"2FA demanded", `update teams set policy = '{"force_all_members_2fa": true}'`, "/2fa/setup/force-initiate", `update users set totp_enabled = true`},
	} {
		if _, err := f.db.Exec(t.Context(), tc.change); err != nil {
			t.Fatal(err)
		}
		if status, _, location := f.get(f.http, settings+"general"); status != http.StatusFound || location != tc.want {
			t.Errorf("%s: settings = %d to %q; want 302 to %s", tc.name, status, location, tc.want)
		}
		if _, err := f.db.Exec(t.Context(), tc.undo); err != nil {
			t.Fatal(err)
		}
		if status, _, _ := f.get(f.http, settings+"general"); status != http.StatusOK {
			t.Errorf("%s, done: settings = %d; want 200", tc.name, status)
		}
	}
	if _, err := f.db.Exec(t.Context(), `delete from team_memberships; delete from users`); err != nil {
		t.Fatal(err)
	}
	if _, _, location := f.get(client(t), settings+"general"); location != "/register" {
		t.Errorf("without any account: to %q; want /register", location)
	}
}

func TestEmptySegmentsAreNone(t *testing.T) {
	f := setup(t, stack.V32, plausible.Current)
	f.signIn(f.http, "owner@example.com", "correct horse")
	if status, body, _ := f.get(f.http, "/example.com%2Fshop//settings//general"); status != http.StatusOK || !strings.Contains(body, "Settings for example.com/shop") {
		t.Errorf("settings by a path with // = %d; want the page, as Phoenix splits paths", status)
	}
}
