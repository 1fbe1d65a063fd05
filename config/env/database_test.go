package env_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plausible-webhooks/config/env"
	"plausible-webhooks/config/target"
)

// certificate writes a certificate that signs itself, and returns its file.
func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, dir, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return filepath.Join(dir, "ca.pem")
}

// fromOS loads with files.
func fromOS(t *testing.T, environ ...string) (env.Settings, error) {
	t.Helper()
	s, _, err := env.Load(env.Source{Environ: append(environ, baseURL, "CONFIG_DIR=/nowhere"), ReadFile: os.ReadFile})
	return s, err
}

// withoutPostgresVariables keeps the tests' own environment out of the driver.
func withoutPostgresVariables(t *testing.T) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "PG") {
			t.Setenv(name, "")
		}
	}
}

func TestDatabaseURL(t *testing.T) {
	withoutPostgresVariables(t)
	tests := []struct {
		name, environ string
		want          string // user:password@host:port/database, then fallbacks.
	}{
		{"default", "", "postgres:postgres@plausible_db:5432/plausible_db"},
		{"no port", "DATABASE_URL=postgres://u:p@h/db", "u:p@h:5432/db"},
		{"scheme ecto", "DATABASE_URL=ecto://u:p@h:1/db", "u:p@h:1/db"},
		{"scheme postgresql", "DATABASE_URL=postgresql://u:p@h:1/db", "u:p@h:1/db"},
		{"upper-case scheme", "DATABASE_URL=POSTGRES://u:p@h:1/db", "u:p@h:1/db"},
		{"encoded parts", "DATABASE_URL=postgres://u%40x:p%40%2F%3A%23%27%5C+%20@h:1/d%20b", `u@x:p@/:#'\+ @h:1/d b`},
		{"password with @ and :", "DATABASE_URL=postgres://u:p@:q@h:1/db", "u:p@:q@h:1/db"},
		{"IPv6", "DATABASE_URL=postgres://u:p@[::1]:1/db", "u:p@::1:1/db"},
		{"IPv6 without port", "DATABASE_URL=postgres://u:p@[fd00::2]/db", "u:p@fd00::2:5432/db"},
		{"socket as host", "DATABASE_URL=postgresql://u:p@%2Frun%2Fpostgresql/db", "u:p@/run/postgresql:5432/db"},
		{"socket as host, lower case, with port", "DATABASE_URL=postgresql://u:p@%2frun:1/db", "u:p@/run:1/db"},
		{"socket as ?host=", "DATABASE_URL=postgresql://u:p@/db?host=/run/postgresql", "u:p@/run/postgresql:5432/db"},
		{"socket as ?host=, all in the query", "DATABASE_URL=postgresql:///db?host=/run&port=1&user=u&password=p", "u:p@/run:1/db"},
		{"encoded ?host=", "DATABASE_URL=postgresql://u:p@/db?host=%2Frun", "u:p@/run:5432/db"},
		{"socket_dir", "DATABASE_URL=postgres://u:p@h/db?socket_dir=/run", "u:p@/run:5432/db h:5432"},
		{"DATABASE_SOCKET_DIR alone", "DATABASE_SOCKET_DIR=/run", "postgres:postgres@/run:5432/plausible_db"},
		{"DATABASE_SOCKET_DIR beside a host", "DATABASE_SOCKET_DIR=/run DATABASE_URL=postgres://u:p@h:1/db", "u:p@/run:1/db h:1"},
		{"DATABASE_SOCKET_DIR without a host", "DATABASE_SOCKET_DIR=/run DATABASE_URL=postgres://u:p@/db", "u:p@/run:5432/db"},
		{"?host= beside a host is not a socket", "DATABASE_URL=postgres://u:p@h:1/db?host=other", "u:p@h:1/db"},
		{"host in the query only", "DATABASE_URL=postgres://u:p@/db?host=h", "u:p@h:5432/db"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config, err := load(t, strings.Fields(tt.environ)...).Database.ConnConfig()
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprintf("%s:%s@%s:%d/%s", config.User, config.Password, config.Host, config.Port, config.Database)
			for _, fallback := range config.Fallbacks {
				got += fmt.Sprintf(" %s:%d", fallback.Host, fallback.Port)
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestOnlyKnownParametersReachTheServer(t *testing.T) {
	withoutPostgresVariables(t)
	tests := []struct {
		query string
		want  map[string]string
	}{
		{"", map[string]string{"application_name": "plausible-webhooks"}},
		{"pool_size=10&timeout=15000&queue_target=50&queue_interval=1000&ssl=false&prepare=unnamed&parameters[x]=y&search_path=evil&options=-c%20x%3Dy&replication=database", map[string]string{"application_name": "plausible-webhooks"}},
		{"application_name=it's%20mine&connect_timeout=3", map[string]string{"application_name": "it's mine"}},
		{"x=%zz&pool_size=;", map[string]string{"application_name": "plausible-webhooks"}},
	}
	for _, tt := range tests {
		config, err := load(t, "DATABASE_URL=postgres://u:p@h/db?"+tt.query).Database.ConnConfig()
		if err != nil {
			t.Fatal(err)
		}
		// A session whose machine has vanished ends soon, on the server's side too.
		for name, value := range map[string]string{"tcp_keepalives_idle": "3", "tcp_keepalives_interval": "1", "tcp_keepalives_count": "3", "tcp_user_timeout": "6s"} {
			tt.want[name] = value
		}
		if diff := cmp.Diff(tt.want, config.RuntimeParams); diff != "" {
			t.Errorf("%s: run-time parameters (-want +got):\n%s", tt.query, diff)
		}
		want := 10 * time.Second
		if strings.Contains(tt.query, "connect_timeout") {
			want = 3 * time.Second
		}
		if config.ConnectTimeout != want {
			t.Errorf("%s: got a connect timeout of %s, want %s", tt.query, config.ConnectTimeout, want)
		}
	}
}

func TestDatabaseTLS(t *testing.T) {
	withoutPostgresVariables(t)
	ca := certificate(t)
	tests := []struct {
		name, environ, mode string
		tls, verified       bool
	}{
		{"off by default", "", "disable", false, false},
		{"ssl=true", "DATABASE_URL=postgres://h/db?ssl=true", "require", true, false},
		{"ssl=false", "DATABASE_URL=postgres://h/db?ssl=false", "disable", false, false},
		{"sslmode wins over ssl", "DATABASE_URL=postgres://h/db?ssl=true&sslmode=disable", "disable", false, false},
		{"sslmode=require", "DATABASE_URL=postgres://h/db?sslmode=require", "require", true, false},
		{"sslmode=verify-full", "DATABASE_URL=postgres://h/db?sslmode=verify-full&sslrootcert=" + ca, "verify-full", true, true},
		{"CA file", "DATABASE_URL=postgres://h/db DATABASE_CACERTFILE=" + ca, "verify-full", true, true},
		{"CA file wins over sslmode", "DATABASE_URL=postgres://h/db?sslmode=disable DATABASE_CACERTFILE=" + ca, "verify-full", true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := fromOS(t, strings.Fields(tt.environ)...)
			if err != nil {
				t.Fatal(err)
			}
			config, err := s.Database.ConnConfig()
			if err != nil {
				t.Fatal(err)
			}
			if s.Database.SSLMode != tt.mode || (config.TLSConfig != nil) != tt.tls {
				t.Errorf("got mode %s, TLS %v", s.Database.SSLMode, config.TLSConfig != nil)
			}
			if tt.verified && (config.TLSConfig.InsecureSkipVerify || config.TLSConfig.ServerName != "h" || config.TLSConfig.RootCAs == nil) {
				t.Errorf("got %+v, want a verified connection", config.TLSConfig)
			}
		})
	}
	s, err := fromOS(t, "DATABASE_URL=postgres://u:p@%2Frun/db", "DATABASE_CACERTFILE="+ca)
	if err != nil {
		t.Fatal(err)
	}
	if config, err := s.Database.ConnConfig(); err != nil || config.TLSConfig != nil {
		t.Errorf("a socket: got TLS, %v, want none", err)
	}
}

func TestBadDatabaseURLs(t *testing.T) {
	for _, raw := range []string{
		"mysql://u:hidden@h/db", "postgres:/u:hidden@h/db", "postgres://u:hidden@h/", "postgres://u:hidden@h/db/", "postgres://u:hidden@h/a/b", "postgres://u:hidden@/db", "postgres:///db",
		"postgres://u:hidden@h:0/db", "postgres://u:hidden@h:x/db", "postgres://u:hid%zzden@h/db", "postgres://u:hidden@h/d%zz", "postgres://u:hidden@h1,h2/db", "postgres://u:hidden@[::1/db",
		"postgres://u:hidden@::1/db", "postgres://u:hid#den@h/db", "postgres://u:hid?den@h/db", "postgres://u:hidden@h/db?sslmode=maybe", "postgres://u:hidden@h/db?connect_timeout=soon",
		"postgres://u:hidden@/db?host=/a,/b", "postgres://u:hidden", "postgres://u:hid/den@h/db",
	} {
		got := mistakes(t, baseURL, "DATABASE_URL="+raw)
		if len(got) != 1 || !strings.HasPrefix(got[0], "DATABASE_URL: got ") || strings.Contains(got[0], "hid") || strings.Contains(got[0], "den@") {
			t.Errorf("%s: got %q, want one line without the password", raw, got)
		}
	}
	s, err := fromOS(t, "DATABASE_URL=postgres://u:hid'den@h/db?sslmode=verify-full&sslrootcert=/nowhere")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Database.ConnConfig(); err == nil || strings.Contains(err.Error(), "hid") || strings.Contains(err.Error(), "den") {
		t.Errorf("got %v, want an error without the password", err)
	}
}

func TestClickHouseURL(t *testing.T) {
	tests := []struct{ raw, want string }{
		{"http://plausible_events_db:8123/plausible_events_db", "http://plausible_events_db:8123/plausible_events_db :@ false"},
		{"http://u:p%40@h:8123/db", "http://h:8123/db u:p@@ false"},
		{"http://h/db", "http://h:80/db :@ false"},   // As Elixir's URI.parse fills it in.
		{"https://h/db", "https://h:443/db :@ true"}, // Likewise.
		{"https://h:8443/db?pool_size=5", "https://h:8443/db :@ true"},
		{"clickhouse://u:p@h/db", "clickhouse://h:9000/db u:p@ false"},
		{"clickhouse://u:p@h/db?secure=true", "clickhouse://h:9440/db u:p@ true"},
		{"clickhouse://h:9001?database=db&username=u&password=p", "clickhouse://h:9001/db u:p@ false"},
		{"http://[::1]:8123/db", "http://[::1]:8123/db :@ false"},
	}
	for _, tt := range tests {
		c := load(t, "CLICKHOUSE_DATABASE_URL="+tt.raw).ClickHouse
		got := fmt.Sprintf("%s %s:%s@ %v", c, c.User, c.Password.Reveal(), c.Secure)
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.raw, got, tt.want)
		}
		if c.Options.Has("password") {
			t.Errorf("%s: the options hold the password", tt.raw)
		}
	}
	if c := load(t, "CLICKHOUSE_DATABASE_URL=http://h/db?max_threads=2").ClickHouse; c.Options.Get("max_threads") != "2" || c.Roots != nil {
		t.Errorf("got %v, want the options of the URL", c.Options)
	}
	for _, raw := range []string{"tcp://u:hidden@h/db", "http://u:hidden@/db", "http://u:hidden@h", "http://u:hidden@h/a/b", "http://u:hidden@h:x/db", "http://u:hidden@%2Frun/db", "http://u:hidden@a,b/db"} {
		if got := mistakes(t, baseURL, "CLICKHOUSE_DATABASE_URL="+raw); len(got) != 1 || strings.Contains(got[0], "hidden") {
			t.Errorf("%s: got %q, want one line without the password", raw, got)
		}
	}
}

func TestCertificateFiles(t *testing.T) {
	ca := certificate(t)
	s, err := fromOS(t, "WEBHOOKS_CA_FILE="+ca, "CLICKHOUSE_CACERTFILE="+ca)
	if err != nil {
		t.Fatal(err)
	}
	for name, roots := range map[string][]byte{"receivers": s.ReceiverRoots, "ClickHouse": s.ClickHouse.Roots} {
		if !x509.NewCertPool().AppendCertsFromPEM(roots) {
			t.Errorf("%s: the certificates were not read", name)
		}
	}
	dir := t.TempDir()
	write(t, dir, "empty.pem", "no certificate")
	for _, variable := range []string{"WEBHOOKS_CA_FILE", "CLICKHOUSE_CACERTFILE", "DATABASE_CACERTFILE"} {
		if _, err := fromOS(t, variable+"="+filepath.Join(dir, "empty.pem")); err == nil || !strings.HasPrefix(err.Error(), variable+": got ") {
			t.Errorf("%s: got %v, want a mistake", variable, err)
		}
	}
}

func TestOwnServers(t *testing.T) {
	got := load(t, "DATABASE_SOCKET_DIR=/run", "DATABASE_URL=postgres://u:p@db:1/x", "CLICKHOUSE_DATABASE_URL=http://ch:18123/x", "WEBHOOKS_PLAUSIBLE_URL=https://web", "WEBHOOKS_LISTEN=0.0.0.0:1", "WEBHOOKS_ADMIN_LISTEN=127.0.0.1:2").OwnServers()
	want := []target.OwnServer{
		{Host: "db", Ports: []uint16{1}, WholeHost: true},
		{Host: "ch", Ports: []uint16{18123, 8123, 8443, 9000, 9440}, WholeHost: true},
		{Host: "web", Ports: []uint16{443}},
		{Host: "", Ports: []uint16{1}},
		{Host: "127.0.0.1", Ports: []uint16{2}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("own servers (-want +got):\n%s", diff)
	}
}
