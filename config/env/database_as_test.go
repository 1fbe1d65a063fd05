package env_test

import "testing"

func TestURLForAnotherRole(t *testing.T) {
	withoutPostgresVariables(t)
	for from, want := range map[string]string{
		"postgres://u:hunter2@h/db":                                "postgres://role:p%40ss@h:5432/db",
		"postgres://u:hunter2@[::1]:6432/db?ssl=true&pool_size=3":  "postgres://role:p%40ss@[::1]:6432/db?sslmode=require",
		"postgres:///db?host=/run/postgresql&application_name=app": "postgres://role:p%40ss@/db?application_name=app&socket_dir=%2Frun%2Fpostgresql",
	} {
		got := load(t, "DATABASE_URL="+from).Database.URLAs("role", "p@ss")
		if got != want {
			t.Errorf("%s as role: %s; want %s", from, got, want)
		}
		again := load(t, "DATABASE_URL="+got).Database
		if first := load(t, "DATABASE_URL="+from).Database; again.String() != first.String() || again.SSLMode != first.SSLMode || again.User != "role" || again.Password.Reveal() != "p@ss" {
			t.Errorf("%s is read as %s, sslmode %s, user %s", got, again, again.SSLMode, again.User)
		}
	}
}
