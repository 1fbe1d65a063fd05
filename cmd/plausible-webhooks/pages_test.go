package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"plausible-webhooks/deploy/devstack/plausible"
	"plausible-webhooks/deploy/devstack/proxy"
	"plausible-webhooks/deploy/devstack/stack"

	"github.com/jackc/pgx/v5"
)

// The page is at Plausible's own address while the sidecar runs, and Plausible's
// settings are there without it as well.
func TestWebhooksPageBehindAProxy(t *testing.T) {
	database := stack.TestDatabase(t, stack.V32)
	w := newWorld(t, database, stack.TestEvents(t))
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	owner, err := plausible.AddAccount(t.Context(), conn, "owner@example.com", "correct horse")
	if err == nil {
		_, err = owner.AddSite(t.Context(), conn, stack.Site{Domain: "example.com/shop"})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	web, err := plausible.Start(t.Context(), plausible.Options{DatabaseURL: database})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(web.Stop)
	front, err := proxy.Start("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(front.Stop)
	if err := front.Plausible(web.URL()); err != nil {
		t.Fatal(err)
	}
	w.environ = append(w.environ, "BASE_URL="+front.URL(), "WEBHOOKS_PLAUSIBLE_URL="+web.URL())
	w.startReady()
	if err := front.Sidecar("http://" + w.process.Pages); err != nil {
		t.Fatal(err)
	}

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	read := func(resp *http.Response, err error) (status int, body string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(raw)
	}
	const settings = "/example.com%2Fshop/settings/"
	if _, body := read(client.Get(front.URL() + settings + "webhooks")); !strings.Contains(body, "Enter your account credentials") {
		t.Fatalf("nobody signed in gets\n%s\nwant the form to sign in", body)
	}
	status, body := read(client.PostForm(front.URL()+"/login", url.Values{
		"email": {"owner@example.com"}, "password": {"correct horse"}, "return_to": {settings + "webhooks"},
	}))
	if status != http.StatusOK || !strings.Contains(body, "<title>Webhooks · example.com/shop · Plausible</title>") {
		t.Fatalf("the page after signing in = %d:\n%s", status, body)
	}
	if !strings.Contains(body, "Add your first webhook") || !strings.Contains(body, "/assets/pw-") {
		t.Errorf("the page shows neither the first step nor its style:\n%s", body)
	}
	entry := `href="` + settings + `webhooks"`
	if _, body := read(client.Get(front.URL() + settings + "general")); !strings.Contains(body, entry) {
		t.Errorf("General has no entry Webhooks:\n%s", body)
	}
	if err := w.process.Stop(); err != nil {
		t.Fatal(err)
	}
	if status, body := read(client.Get(front.URL() + settings + "general")); status != http.StatusOK || !strings.Contains(body, "Settings for example.com/shop") || strings.Contains(body, entry) {
		t.Errorf("General without the sidecar = %d; want Plausible's own:\n%s", status, body)
	}
}
