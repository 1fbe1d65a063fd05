package env_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"plausible-webhooks/config/env"
	"plausible-webhooks/config/event"
	"plausible-webhooks/config/secret"
)

const baseURL = "BASE_URL=https://plausible.example.com"

func source(environ ...string) env.Source { return env.Source{Environ: environ} }

func load(t *testing.T, environ ...string) env.Settings {
	t.Helper()
	settings, _, err := env.Load(source(append(environ, baseURL)...))
	if err != nil {
		t.Fatalf("load %q: %v", environ, err)
	}
	return settings
}

// mistakes returns the lines of what is wrong.
func mistakes(t *testing.T, environ ...string) []string {
	t.Helper()
	settings, _, err := env.Load(source(environ...))
	if err == nil {
		t.Fatalf("load %q: got no mistake", environ)
	}
	if _, ok := err.(env.Mistakes); !ok || settings.BaseURL.Host != "" {
		t.Fatalf("load %q: got %T and settings, want Mistakes alone", environ, err)
	}
	return strings.Split(err.Error(), "\n")
}

func TestDefaults(t *testing.T) {
	s, warnings, err := env.Load(source(baseURL))
	if err != nil || len(warnings) != 0 {
		t.Fatalf("got %v, %v, want neither", warnings, err)
	}
	got := map[string]any{
		"database": s.Database.String(), "user": s.Database.User, "ssl": s.Database.SSLMode, "clickhouse": s.ClickHouse.String(), "base": s.BaseURL.String(),
		"source": s.ConfigSource, "plausible": s.PlausibleURL.String(), "listen": s.Listen, "admin": s.AdminListen, "poll": s.PollInterval, "lookback": s.Lookback,
		"late": s.LateEvents, "instance": s.Instance.Configured(), "retries": s.Retries, "wait": []time.Duration{s.RetryWaitMin, s.RetryWaitMax}, "redelivery": s.Redelivery,
		"disable": s.DisableAfter, "timeout": s.Timeout, "concurrency": []int{s.Concurrency, s.ConcurrencyPerWebhook, s.MaxPerSite}, "targets": len(s.Targets().AllowedTargets),
		"ports": s.Targets().AllowedPorts, "proxy": s.Proxy.URL() == nil, "ca": s.CAFile + string(s.ReceiverRoots), "retention": s.Retention, "level": s.LogLevel, "format": s.LogFormat,
		"keyring": s.Keyring().Empty(),
	}
	want := map[string]any{
		"database": "postgres://plausible_db:5432/plausible_db", "user": "postgres", "ssl": "disable", "clickhouse": "http://plausible_events_db:8123/plausible_events_db", "base": "https://plausible.example.com",
		"source": env.SourceAuto, "plausible": "http://plausible:8000", "listen": ":8001", "admin": ":8002", "poll": 5 * time.Second, "lookback": 24 * time.Hour,
		"late": 2 * time.Minute, "instance": false, "retries": 3, "wait": []time.Duration{time.Second, 4 * time.Second}, "redelivery": []time.Duration(nil),
		"disable": 120 * time.Hour, "timeout": 5 * time.Second, "concurrency": []int{256, 4, 20}, "targets": 0,
		"ports": []uint16{443, 8443}, "proxy": true, "ca": "", "retention": 720 * time.Hour, "level": hclog.Info, "format": env.LogText,
		"keyring": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	if s.Database.Password.Reveal() != "postgres" {
		t.Error("the default password is Plausible's, postgres")
	}
}

func TestEverythingSet(t *testing.T) {
	s := load(t,
		"BASE_URL=ignored, the last one counts", "WEBHOOKS_CONFIG_SOURCE=poll", "WEBHOOKS_PLAUSIBLE_URL=http://web:9000/stats/", "WEBHOOKS_LISTEN= 127.0.0.1:1 ", "WEBHOOKS_ADMIN_LISTEN=[::1]:2",
		"WEBHOOKS_POLL_INTERVAL=1s", "WEBHOOKS_LOOKBACK=1h", "WEBHOOKS_LATE_EVENTS=10s", "WEBHOOKS_URL=https://Hooks.example.com/x", "WEBHOOKS_SECRET=correct horse battery",
		"WEBHOOKS_FORMAT=standard", "WEBHOOKS_EVENTS=traffic.drop.ended, traffic.drop,,traffic.drop", "WEBHOOKS_RETRIES=0", "WEBHOOKS_RETRY_WAIT_MIN=10ms", "WEBHOOKS_RETRY_WAIT_MAX=20ms",
		"WEBHOOKS_REDELIVERY=5m, 30m,2h,", "WEBHOOKS_DISABLE_AFTER=0", "WEBHOOKS_TIMEOUT=30s", "WEBHOOKS_CONCURRENCY=1", "WEBHOOKS_CONCURRENCY_PER_WEBHOOK=2", "WEBHOOKS_MAX_PER_SITE=1",
		"WEBHOOKS_ALLOWED_TARGETS=n8n:5678, 10.0.0.0/8", "WEBHOOKS_ALLOWED_PORTS=443", "WEBHOOKS_PROXY=http://user:hidden@proxy:3128", "WEBHOOKS_RETENTION=1s",
		"WEBHOOKS_LOG_LEVEL=DEBUG", "WEBHOOKS_LOG_FORMAT=json", "SECRET_KEY_BASE="+strings.Repeat("hidden ", 10), "WEBHOOKS_SECRET_KEY="+base64.StdEncoding.EncodeToString(make([]byte, 32)))
	got := fmt.Sprintln(s.ConfigSource, s.PlausibleURL.String(), s.Listen, s.AdminListen, s.PollInterval, s.Lookback, s.LateEvents, s.Instance.URL.Reveal(), s.Instance.Secret.Reveal(), s.Instance.Format, s.Instance.Events,
		s.Retries, s.RetryWaitMin, s.RetryWaitMax, s.Redelivery, s.DisableAfter, s.Timeout, s.Concurrency, s.ConcurrencyPerWebhook, s.MaxPerSite, s.AllowedTargets, s.AllowedPorts, s.Proxy, s.Retention, s.LogLevel, s.LogFormat, s.Keyring().Empty())
	want := fmt.Sprintln(env.SourcePoll, "http://web:9000/stats", "127.0.0.1:1", "[::1]:2", time.Second, time.Hour, 10*time.Second, "https://hooks.example.com/x", "correct horse battery", event.Standard, []event.Type{event.TrafficDropEnded, event.TrafficDrop},
		0, 10*time.Millisecond, 20*time.Millisecond, []time.Duration{5 * time.Minute, 30 * time.Minute, 2 * time.Hour}, time.Duration(0), 30*time.Second, 1, 2, 1, "[n8n:5678 10.0.0.0/8]", []uint16{443}, "http://proxy:3128", time.Second, hclog.Debug, env.LogJSON, false)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if password, _ := s.Proxy.URL().User.Password(); password != "hidden" {
		t.Error("the proxy's password is lost")
	}
	// Whoever prints settings must not print secrets.
	asJSON, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprintf("%v %+v %#v", s, s, s), string(asJSON)} {
		for _, leak := range []string{"hidden", "correct horse", "hooks.example.com/x", base64.StdEncoding.EncodeToString(make([]byte, 32))} {
			if strings.Contains(shown, leak) {
				t.Errorf("printed settings show %q", leak)
			}
		}
	}
}

func TestMistakes(t *testing.T) {
	tests := []struct{ environ, want string }{
		{"BASE_URL=plausible.example.com", `BASE_URL: got "plausible.example.com", want a URL of http or https without user name, query and fragment, such as https://plausible.example.com`},
		{"BASE_URL=", `BASE_URL: got nothing, want the public address of Plausible, such as https://plausible.example.com`},
		{"BASE_URL=https://me:hidden@example.com", `BASE_URL: got a URL of https://example.com, want a URL of http`},
		{"WEBHOOKS_POLL_INTERVAL=5", `WEBHOOKS_POLL_INTERVAL: got "5", want a duration such as 5s or 2m (at least 1s, at most 1h)`},
		{"WEBHOOKS_POLL_INTERVAL=999ms", `WEBHOOKS_POLL_INTERVAL: got "999ms", want a duration such as 5s or 2m (at least 1s, at most 1h)`},
		{"WEBHOOKS_LOOKBACK=-1h", `WEBHOOKS_LOOKBACK: got "-1h", want`},
		{"WEBHOOKS_LATE_EVENTS=0", `WEBHOOKS_LATE_EVENTS: got "0", want`},
		{"WEBHOOKS_TIMEOUT=31s", `WEBHOOKS_TIMEOUT: got "31s", want a duration such as 5s (at least 1s, at most 30s)`},
		{"WEBHOOKS_RETENTION=0", `WEBHOOKS_RETENTION: got "0", want`},
		{"WEBHOOKS_DISABLE_AFTER=-1s", `WEBHOOKS_DISABLE_AFTER: got "-1s", want a duration such as 120h, 0 for never`},
		{"WEBHOOKS_RETRIES=11", `WEBHOOKS_RETRIES: got "11", want a whole number from 0 to 10`},
		{"WEBHOOKS_RETRIES=-1", `WEBHOOKS_RETRIES: got "-1", want a whole number from 0 to 10`},
		{"WEBHOOKS_RETRIES=three", `WEBHOOKS_RETRIES: got "three", want a whole number from 0 to 10`},
		{"WEBHOOKS_RETRY_WAIT_MAX=500ms", `WEBHOOKS_RETRY_WAIT_MAX: got "500ms", want at least WEBHOOKS_RETRY_WAIT_MIN, which is 1s`},
		{"WEBHOOKS_RETRY_WAIT_MIN=10s", `WEBHOOKS_RETRY_WAIT_MAX: got "4s", want at least WEBHOOKS_RETRY_WAIT_MIN, which is 10s`},
		{"WEBHOOKS_REDELIVERY=5m,soon", `WEBHOOKS_REDELIVERY: got "5m,soon", want delays separated by commas`},
		{"WEBHOOKS_REDELIVERY=5m,0s", `WEBHOOKS_REDELIVERY: got "5m,0s", want delays`},
		{"WEBHOOKS_CONCURRENCY=0", `WEBHOOKS_CONCURRENCY: got "0", want a whole number from 1 to 10000`},
		{"WEBHOOKS_CONCURRENCY=1e3", `WEBHOOKS_CONCURRENCY: got "1e3", want`},
		{"WEBHOOKS_CONCURRENCY=99999999999999999999", `WEBHOOKS_CONCURRENCY: got "99999999999999999999", want`},
		{"WEBHOOKS_CONCURRENCY_PER_WEBHOOK=0", `WEBHOOKS_CONCURRENCY_PER_WEBHOOK: got "0", want`},
		{"WEBHOOKS_MAX_PER_SITE=0", `WEBHOOKS_MAX_PER_SITE: got "0", want`},
		{"WEBHOOKS_CONFIG_SOURCE=Poll", `WEBHOOKS_CONFIG_SOURCE: got "Poll", want auto, replication or poll`},
		{"WEBHOOKS_LOG_LEVEL=loud", `WEBHOOKS_LOG_LEVEL: got "loud", want trace, debug, info, warn, error or off`},
		{"WEBHOOKS_LOG_FORMAT=xml", `WEBHOOKS_LOG_FORMAT: got "xml", want text or json`},
		{"WEBHOOKS_LISTEN=8001", `WEBHOOKS_LISTEN: got "8001", want host:port or :port, such as :8001`},
		{"WEBHOOKS_LISTEN=:99999", `WEBHOOKS_LISTEN: got ":99999", want`},
		{"WEBHOOKS_ADMIN_LISTEN=http://x:1", `WEBHOOKS_ADMIN_LISTEN: got "http://x:1", want`},
		{"WEBHOOKS_LISTEN=127.0.0.1:8002", `WEBHOOKS_ADMIN_LISTEN: got ":8002", want another port than WEBHOOKS_LISTEN has`},
		{"WEBHOOKS_ALLOWED_TARGETS=n8n,http://x", `WEBHOOKS_ALLOWED_TARGETS: got "n8n,http://x", want hosts, host:port, CIDRs or CIDR:port`},
		{"WEBHOOKS_ALLOWED_PORTS=443,0", `WEBHOOKS_ALLOWED_PORTS: got "443,0", want ports from 1 to 65535`},
		{"WEBHOOKS_ALLOWED_PORTS=,", `WEBHOOKS_ALLOWED_PORTS: got ",", want at least one port`},
		{"WEBHOOKS_PLAUSIBLE_URL=plausible:8000", `WEBHOOKS_PLAUSIBLE_URL: got "plausible:8000", want a URL`},
		{"WEBHOOKS_PROXY=http://u:hidden@proxy:1/x", `WEBHOOKS_PROXY: got a URL of http://proxy:1, want a proxy's URL`},
		{"WEBHOOKS_PROXY=u:hidden@proxy", `WEBHOOKS_PROXY: got a value that is not shown, want a proxy's URL`},
		{"WEBHOOKS_CA_FILE=/nowhere", `WEBHOOKS_CA_FILE: got "/nowhere", want a readable file of PEM certificates: file does not exist`},
		{"DATABASE_CACERTFILE=/nowhere", `DATABASE_CACERTFILE: got "/nowhere", want a readable file`},
		{"CLICKHOUSE_CACERTFILE=/nowhere", `CLICKHOUSE_CACERTFILE: got "/nowhere", want a readable file`},
		{"WEBHOOKS_SECRET_KEY=hidden", `WEBHOOKS_SECRET_KEY: got a value that is not shown, want base64 of 32 bytes`},
		{"WEBHOOKS_SECRET=hidden", `WEBHOOKS_SECRET: got a value that is not shown, want whsec_ and the base64 of 24 to 64 bytes, or 16 to 256 printable characters; it has 6 characters`},
		{"WEBHOOKS_URL=https://hooks.example.com/hidden", `WEBHOOKS_SECRET: got nothing, want a secret to sign with, since WEBHOOKS_FORMAT is standard`},
		{"WEBHOOKS_URL=https://hooks.slack.com/hidden", "WEBHOOKS_SECRET: got nothing, want a secret to sign with, since WEBHOOKS_FORMAT is standard (`openssl rand -hex 32` makes one); hooks.slack.com needs none but WEBHOOKS_FORMAT=slack"},
		{"WEBHOOKS_URL=https://hooks.slack.com/hidden WEBHOOKS_FORMAT=standard", "WEBHOOKS_SECRET: got nothing, want a secret to sign with, since WEBHOOKS_FORMAT is standard (`openssl rand -hex 32` makes one); a chat service needs its own format instead"},
		{"WEBHOOKS_URL=http://hooks.example.com/hidden WEBHOOKS_FORMAT=slack", `WEBHOOKS_URL: got a URL of http://hooks.example.com, want a URL that webhooks may call; the URL must begin with https://`},
		{"WEBHOOKS_FORMAT=Slack", `WEBHOOKS_FORMAT: got "Slack", want standard, slack, discord, teams, googlechat, telegram or ntfy`},
		{"WEBHOOKS_EVENTS=webhook.test", `WEBHOOKS_EVENTS: got "webhook.test", want event types separated by commas, out of traffic.spike, traffic.spike.ended, traffic.drop, traffic.drop.ended or goal.completed`},
		{"WEBHOOKS_EVENTS=traffic.spike.ended", `WEBHOOKS_EVENTS: got "traffic.spike.ended", want traffic.spike beside traffic.spike.ended`},
		{"WEBHOOKS_EVENTS=traffic.spike,goal.threshold", `WEBHOOKS_EVENTS: got "traffic.spike,goal.threshold", want no goal.threshold: it needs a threshold, and this webhook takes its triggers from the sites' settings, which hold none for goals; give it to a webhook that ` + "`plausible-webhooks webhook add` makes"},
		{"WEBHOOKS_EVENTS=goal.threshold.ended", `WEBHOOKS_EVENTS: got "goal.threshold.ended", want no goal.threshold.ended: it needs a threshold`},
		{"WEBHOOKS_EVENTS=,", `WEBHOOKS_EVENTS: got ",", want at least one event type`},
		{"DATABASE_URL=postgres://u:hidden@h", `DATABASE_URL: got a URL of postgres://h, want one database name`},
		{"DATABASE_URL=postgres://u:hid/den@h/db", `DATABASE_URL: got a value that is not shown, want a port from 1 to 65535; special characters of the password percent-encoded`},
		{"DATABASE_URL=hidden", `DATABASE_URL: got a value that is not shown, want a URL`},
		{"CLICKHOUSE_DATABASE_URL=tcp://u:hidden@h/db", `CLICKHOUSE_DATABASE_URL: got a URL of tcp://h, want a URL such as http://plausible_events_db:8123/plausible_events_db`},
	}
	for _, tt := range tests {
		environ := append([]string{baseURL}, strings.Split(tt.environ, " ")...)
		got := mistakes(t, environ...)
		if len(got) != 1 || !strings.HasPrefix(got[0], tt.want) {
			t.Errorf("%s: got\n%s\nwant one line\n%s", tt.environ, strings.Join(got, "\n"), tt.want)
		}
		if strings.Contains(strings.Join(got, ""), "hidden") {
			t.Errorf("%s: %s shows what is hidden", tt.environ, got)
		}
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	got := mistakes(t, "WEBHOOKS_POLL_INTERVAL=x", "WEBHOOKS_RETRIES=99", "WEBHOOKS_SECRET=short", "DATABASE_URL=x", "WEBHOOKS_EVENTS=x")
	want := []string{"BASE_URL", "WEBHOOKS_POLL_INTERVAL", "WEBHOOKS_RETRIES", "DATABASE_URL", "WEBHOOKS_SECRET", "WEBHOOKS_EVENTS"}
	for i := range got {
		got[i], _, _ = strings.Cut(got[i], ":")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("variables with mistakes (-want +got):\n%s", diff)
	}
}

func TestEmptyCountsAsUnset(t *testing.T) {
	var environ []string
	for _, v := range env.Variables() {
		if v.Name != "BASE_URL" {
			environ = append(environ, v.Name+"=", v.Name+"=  ")
		}
	}
	got, want := load(t, environ...), load(t)
	if fmt.Sprintf("%+v", got.PollInterval) != fmt.Sprintf("%+v", want.PollInterval) || got.Database.String() != want.Database.String() || got.Instance.Configured() || got.Redelivery != nil || got.AllowedTargets != nil {
		t.Errorf("got %+v, want the defaults", got)
	}
}

func TestBaseURLCanBeOptional(t *testing.T) {
	s, _, err := env.Load(source(), env.WithoutBaseURL())
	if err != nil || s.BaseURL.Host != "" || s.Database.Name != "plausible_db" {
		t.Errorf("got %v, %v, want settings without it", s, err)
	}
	if _, _, err := env.Load(source("BASE_URL=x"), env.WithoutBaseURL()); err == nil {
		t.Error("a bad BASE_URL passed because it is optional")
	}
	if s := load(t, "BASE_URL=x"); s.BaseURL.String() != "https://plausible.example.com" {
		t.Errorf("got %s", s.BaseURL.String())
	}
	s, _, err = env.Load(source("BASE_URL=https://example.com/stats/"))
	if err != nil || s.BaseURL.JoinPath("example.com").String() != "https://example.com/stats/example.com" {
		t.Errorf("got %s, %v, want the path kept", s.BaseURL.String(), err)
	}
}

func TestUnknownVariablesAreWarnedOf(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "WEBHOOKS_SECRETKEY", "x")
	_, warnings, err := env.Load(env.Source{
		Environ: []string{baseURL, "CONFIG_DIR=" + dir, "WEBHOOKS_POLL_INTREVAL=5s", "WEBHOOKS_RETRY=1", "OTHER=1", "WEBHOOKSX=1", "WEBHOOKS_RETRY=2"}, ReadFile: os.ReadFile, ReadDir: os.ReadDir,
	})
	want := env.Warnings{
		"WEBHOOKS_POLL_INTREVAL is not a known variable and is ignored: did you mean WEBHOOKS_POLL_INTERVAL?",
		"WEBHOOKS_RETRY is not a known variable and is ignored: did you mean WEBHOOKS_RETRIES?",
		"WEBHOOKS_SECRETKEY is not a known variable and is ignored: did you mean WEBHOOKS_SECRET_KEY?",
	}
	if diff := cmp.Diff(want, warnings); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestOtherWarnings(t *testing.T) {
	_, warnings, err := env.Load(source(baseURL, "SECRET_KEY_BASE=short", "WEBHOOKS_FORMAT=slack", "WEBHOOKS_SECRET=correct horse battery"))
	if err != nil || len(warnings) != 3 || !strings.HasPrefix(warnings[0], "SECRET_KEY_BASE has 5 bytes") || warnings[2] != "WEBHOOKS_FORMAT has no effect without WEBHOOKS_URL" {
		t.Errorf("got %q, %v", warnings, err)
	}
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestConfigDir(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "BASE_URL", "\n https://file.example.com \n")
	write(t, dir, "WEBHOOKS_RETRIES", "")
	write(t, dir, "WEBHOOKS_SECRET", "correct horse battery\n")
	from := env.FromOS()
	from.Environ = []string{"CONFIG_DIR=" + dir, "BASE_URL=https://variable.example.com", "WEBHOOKS_RETRIES=7", "WEBHOOKS_URL=https://h.example.com", "WEBHOOKS_TIMEOUT=6s"}
	s, _, err := env.Load(from)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.BaseURL.Host; got != "file.example.com" {
		t.Errorf("got %s, want the file to win over the variable", got)
	}
	if s.Retries != 3 {
		t.Errorf("got %d retries, want the default, since the file is empty and wins", s.Retries)
	}
	if !s.Instance.Secret.Equal(secret.New("correct horse battery")) {
		t.Error("the file of a secret is not trimmed")
	}
	if s.Timeout != 6*time.Second {
		t.Errorf("got %s, want the variable where there is no file", s.Timeout)
	}
}

func TestConfigDirDefaultsAndIsOptional(t *testing.T) {
	var asked []string
	from := env.Source{Environ: []string{baseURL}, ReadFile: func(name string) ([]byte, error) {
		asked = append(asked, name)
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}}
	if _, _, err := env.Load(from); err != nil {
		t.Fatal(err)
	}
	if len(asked) == 0 || filepath.Dir(asked[0]) != "/run/secrets" {
		t.Errorf("got %q, want files of /run/secrets", asked)
	}
	file := filepath.Join(t.TempDir(), "file")
	write(t, filepath.Dir(file), "file", "")
	for _, dir := range []string{"/nowhere/at/all", file} {
		from := env.FromOS()
		from.Environ = []string{baseURL, "CONFIG_DIR=" + dir}
		if _, _, err := env.Load(from); err != nil {
			t.Errorf("CONFIG_DIR=%s: got %v, want no error", dir, err)
		}
	}
}

func TestUnreadableFileIsAMistake(t *testing.T) {
	dir := t.TempDir()
	// A directory can be opened but not read, even by root.
	if err := os.Mkdir(filepath.Join(dir, "WEBHOOKS_RETRIES"), 0o700); err != nil {
		t.Fatal(err)
	}
	from := env.FromOS()
	from.Environ = []string{baseURL, "CONFIG_DIR=" + dir}
	_, _, err := env.Load(from)
	if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "WEBHOOKS_RETRIES")) || !strings.HasPrefix(err.Error(), "WEBHOOKS_RETRIES: want the file ") {
		t.Errorf("got %v, want a mistake that names the file", err)
	}
}

func TestLoadDependsOnItsSourceAlone(t *testing.T) {
	t.Setenv("WEBHOOKS_RETRIES", "9")
	t.Setenv("BASE_URL", "https://leaked.example.com")
	if s := load(t); s.Retries != 3 {
		t.Errorf("got %d retries from the process's own environment", s.Retries)
	}
	if _, _, err := env.Load(env.Source{}); err == nil {
		t.Error("an empty source took BASE_URL from the process's own environment")
	}
}

func TestVariablesAreThoseOfTheContract(t *testing.T) {
	got := make(map[string]string)
	for _, v := range env.Variables() {
		got[v.Name] = v.Default
	}
	want := map[string]string{
		"CONFIG_DIR": "/run/secrets", "DATABASE_URL": "postgres://postgres:postgres@plausible_db:5432/plausible_db", "DATABASE_CACERTFILE": "", "DATABASE_SOCKET_DIR": "",
		"CLICKHOUSE_DATABASE_URL": "http://plausible_events_db:8123/plausible_events_db", "CLICKHOUSE_CACERTFILE": "", "BASE_URL": "", "SECRET_KEY_BASE": "", "WEBHOOKS_SECRET_KEY": "",
		"WEBHOOKS_CONFIG_SOURCE": "auto", "WEBHOOKS_PLAUSIBLE_URL": "http://plausible:8000", "WEBHOOKS_LISTEN": ":8001", "WEBHOOKS_ADMIN_LISTEN": ":8002", "WEBHOOKS_POLL_INTERVAL": "5s",
		"WEBHOOKS_LOOKBACK": "24h", "WEBHOOKS_LATE_EVENTS": "2m", "WEBHOOKS_URL": "", "WEBHOOKS_SECRET": "", "WEBHOOKS_FORMAT": "standard",
		"WEBHOOKS_EVENTS": "traffic.spike,traffic.drop,goal.completed", "WEBHOOKS_RETRIES": "3", "WEBHOOKS_RETRY_WAIT_MIN": "1s", "WEBHOOKS_RETRY_WAIT_MAX": "4s", "WEBHOOKS_REDELIVERY": "",
		"WEBHOOKS_DISABLE_AFTER": "120h", "WEBHOOKS_TIMEOUT": "5s", "WEBHOOKS_CONCURRENCY": "256", "WEBHOOKS_CONCURRENCY_PER_WEBHOOK": "4", "WEBHOOKS_MAX_PER_SITE": "20",
		"WEBHOOKS_ALLOWED_TARGETS": "", "WEBHOOKS_ALLOWED_PORTS": "443,8443", "WEBHOOKS_PROXY": "", "WEBHOOKS_CA_FILE": "", "WEBHOOKS_RETENTION": "720h", "WEBHOOKS_LOG_LEVEL": "info", "WEBHOOKS_LOG_FORMAT": "text",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
}

func TestTheFormatOfAChatServiceIsSuggested(t *testing.T) {
	const url, key = "WEBHOOKS_URL=https://ntfy.example.com/topic", "WEBHOOKS_SECRET=correct horse battery"
	_, warnings, err := env.Load(source(baseURL, url, key))
	if err != nil || len(warnings) != 1 || warnings[0] != "WEBHOOKS_FORMAT is not set, and standard is not what ntfy.example.com takes: set WEBHOOKS_FORMAT=ntfy" {
		t.Errorf("got %q, %v; want the suggestion", warnings, err)
	}
	for _, chosen := range []string{"standard", "ntfy", "slack"} {
		if _, warnings, err = env.Load(source(baseURL, url, key, "WEBHOOKS_FORMAT="+chosen)); err != nil || len(warnings) != 0 {
			t.Errorf("%s was chosen: got %q, %v; want no more", chosen, warnings, err)
		}
	}
}
