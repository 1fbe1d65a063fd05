package main

import (
	"testing"

	"plausible-webhooks/config/env"
)

// What vanishes without a word ends soon on the server's side, too.
func TestSessionsAreKeptAlive(t *testing.T) {
	s := emptyShell(t)
	settings, _, err := env.Load(env.Source{Environ: s.environ})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := connect(t.Context(), settings.Database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(background) })
	for name, want := range map[string]string{"tcp_keepalives_idle": "3", "tcp_keepalives_interval": "1", "tcp_keepalives_count": "3", "tcp_user_timeout": "6000"} {
		var got string
		if err := conn.QueryRow(t.Context(), "select current_setting($1)", name).Scan(&got); err != nil || got != want {
			t.Errorf("%s = %s, %v; want %s", name, got, err, want)
		}
	}
}
