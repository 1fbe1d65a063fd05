package recipes_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config/env"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// The files, as an operator names them.
const (
	plausibleCE = "testdata/compose.yml"
	override    = "testdata/compose.override.yml"
	overlay     = "../compose.webhooks.yml"
)

// dotEnv is what an operator of Plausible CE has in .env anyway.
var dotEnv = map[string]string{
	"BASE_URL":        "https://plausible.example.com",
	"SECRET_KEY_BASE": "uYQ7VJkBfmLSeJeLPtRYhkTZfiYpaJYDZ5gZrcmgNyk2tVwzKcNqA1xT0cVJ7pWd",
}

// merge merges files as Docker Compose does.
func merge(t *testing.T, environ map[string]string, files ...string) (*types.Project, error) {
	t.Helper()
	details := types.ConfigDetails{WorkingDir: "/srv/plausible", Environment: maps.Clone(environ)}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: filepath.Join("/srv/plausible", filepath.Base(file)), Content: content})
	}
	return loader.LoadWithContext(t.Context(), details, func(o *loader.Options) { o.SetProjectName("plausible", true) })
}

// compose merges files that must fit. A variable that is asked for and neither
// set nor given a default is a failure: nothing is to be filled in.
func compose(t *testing.T, environ map[string]string, files ...string) *types.Project {
	t.Helper()
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, asked := range regexp.MustCompile(`\$\{([A-Z_]+)\}`).FindAllStringSubmatch(string(content), -1) {
			if _, set := environ[asked[1]]; !set {
				t.Errorf("%s wants %s, which has to be filled in", file, asked[1])
			}
		}
	}
	project, err := merge(t, environ, files...)
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func with(environ map[string]string, more ...string) map[string]string {
	environ = maps.Clone(environ)
	for i := 0; i < len(more); i += 2 {
		environ[more[i]] = more[i+1]
	}
	return environ
}

// settings are what the sidecar makes of the variables of its service.
func settings(t *testing.T, service types.ServiceConfig) env.Settings {
	t.Helper()
	var environ []string
	for name, value := range service.Environment {
		if value != nil {
			environ = append(environ, name+"="+*value)
		}
	}
	got, warnings, err := env.Load(env.Source{Environ: environ})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("the sidecar does not like its environment: %v %v", err, warnings)
	}
	return got
}

func plausibleURL(t *testing.T, project *types.Project) string {
	t.Helper()
	where := settings(t, project.Services["plausible_webhooks"]).PlausibleURL
	return where.String()
}

func TestTheOverlayNeedsNothingFilledIn(t *testing.T) {
	project := compose(t, dotEnv, plausibleCE, overlay)
	if len(project.Services) != 4 {
		t.Errorf("there are %v; want Plausible's three and the sidecar", project.ServiceNames())
	}
	sidecar := project.Services["plausible_webhooks"]
	for name, value := range sidecar.Environment {
		if value == nil && !strings.HasPrefix(name, "WEBHOOKS_") && project.Services["plausible"].Environment[name] != nil {
			t.Errorf("the sidecar lacks %s, which Plausible has", name)
		}
	}
	got := settings(t, sidecar)
	if got.BaseURL.String() != dotEnv["BASE_URL"] || got.Keyring().Empty() {
		t.Errorf("BASE_URL is %s, a key: %v; want those of .env", got.BaseURL.String(), !got.Keyring().Empty())
	}
	if want := []time.Duration{5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 8 * time.Hour, 24 * time.Hour}; !slices.Equal(got.Redelivery, want) {
		t.Errorf("WEBHOOKS_REDELIVERY is %v; want %v", got.Redelivery, want)
	}
	if got.PlausibleURL.String() != "http://plausible:8000" {
		t.Errorf("WEBHOOKS_PLAUSIBLE_URL is %s; want http://plausible:8000", got.PlausibleURL.String())
	}
	if build := sidecar.Build; build == nil || build.Context != "/srv/plausible/plausible-webhooks" || build.Dockerfile != "deploy/Dockerfile" {
		t.Errorf("it is built from %+v; want deploy/Dockerfile of the clone beside compose.yml", build)
	}
}

func TestTheOverlayConfinesTheSidecar(t *testing.T) {
	project := compose(t, dotEnv, plausibleCE, overlay)
	sidecar := project.Services["plausible_webhooks"]
	if !sidecar.ReadOnly || sidecar.Privileged || !slices.Equal(sidecar.CapDrop, []string{"ALL"}) || len(sidecar.CapAdd) > 0 ||
		!slices.Contains(sidecar.SecurityOpt, "no-new-privileges:true") {
		t.Errorf("read_only %v, cap_drop %v, cap_add %v, security_opt %v; want no privilege", sidecar.ReadOnly, sidecar.CapDrop, sidecar.CapAdd, sidecar.SecurityOpt)
	}
	if user := commandUser(t); sidecar.User != user {
		t.Errorf("user is %s, the image's %s; want the same", sidecar.User, user)
	}
	if len(sidecar.Ports) > 0 || len(sidecar.Volumes) > 0 || sidecar.NetworkMode != "" {
		t.Errorf("ports %v, volumes %v, network %q; want none", sidecar.Ports, sidecar.Volumes, sidecar.NetworkMode)
	}
	if sidecar.Restart != "always" || sidecar.StopGracePeriod == nil || time.Duration(*sidecar.StopGracePeriod) != 15*time.Second {
		t.Errorf("restart %s, stop_grace_period %v; want always and 15s", sidecar.Restart, sidecar.StopGracePeriod)
	}
	if check := sidecar.HealthCheck; check == nil || !slices.Equal(check.Test, []string{"CMD", "/plausible-webhooks", "health"}) {
		t.Errorf("healthcheck is %v; want the binary's", check)
	}
	if limits := sidecar.Deploy.Resources.Limits; limits == nil || limits.MemoryBytes == 0 || limits.NanoCPUs == 0 || limits.Pids == 0 {
		t.Errorf("limits are %+v; want memory, processors and processes", limits)
	}
	for _, database := range []string{"plausible_db", "plausible_events_db"} {
		if sidecar.DependsOn[database].Condition != types.ServiceConditionHealthy {
			t.Errorf("it starts before %s is healthy", database)
		}
	}
}

func commandUser(t *testing.T) string {
	t.Helper()
	for _, command := range dockerfile(t)[1].Commands {
		if user, ok := command.(interface{ String() string }); ok && command.Name() == "USER" {
			return strings.TrimPrefix(user.String(), "USER ")
		}
	}
	return ""
}

// What is Plausible's stays as it was, but for the one switch.
func TestTheOverlaySwitchesLogicalReplicationOnAndNothingElse(t *testing.T) {
	before, after := compose(t, dotEnv, plausibleCE), compose(t, dotEnv, plausibleCE, overlay)
	if got := strings.Join(after.Services["plausible_db"].Command, " "); got != "postgres -c wal_level=logical" {
		t.Errorf("plausible_db runs %q; want postgres -c wal_level=logical", got)
	}
	database := after.Services["plausible_db"]
	database.Command = before.Services["plausible_db"].Command
	after.Services["plausible_db"] = database
	for name, want := range before.Services {
		wanted, err := want.MarshalYAML()
		if err != nil {
			t.Fatal(err)
		}
		got, err := after.Services[name].MarshalYAML()
		if err != nil {
			t.Fatal(err)
		}
		if a, b := yamlOf(t, wanted), yamlOf(t, got); a != b {
			t.Errorf("%s is changed:\n%s\nwas:\n%s", name, b, a)
		}
	}
}

func TestTheSidecarFollowsHTTP_PORT(t *testing.T) {
	project := compose(t, with(dotEnv, "HTTP_PORT", "80", "HTTPS_PORT", "443"), plausibleCE, override, overlay)
	if got := plausibleURL(t, project); got != "http://plausible:80" {
		t.Errorf("WEBHOOKS_PLAUSIBLE_URL is %s; want Plausible's own port", got)
	}
}

// Every variable of the reference can be set in .env; where it listens is the
// image's own affair.
func TestTheOverlayPassesEveryVariableOn(t *testing.T) {
	reference, err := os.ReadFile("../REFERENCE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(reference), "\n## 1.")
	table, _, _ = strings.Cut(table, "\n## 2.")
	variables := map[string]bool{"DATABASE_URL": true, "CLICKHOUSE_DATABASE_URL": true}
	for _, name := range regexp.MustCompile(`WEBHOOKS_[A-Z_]*[A-Z]`).FindAllString(table, -1) {
		variables[name] = !strings.HasSuffix(name, "LISTEN")
	}
	sidecar := compose(t, dotEnv, plausibleCE, overlay).Services["plausible_webhooks"]
	for name, wanted := range variables {
		if _, there := sidecar.Environment[name]; there != wanted {
			t.Errorf("%s is passed on: %v; want %v", name, there, wanted)
		}
	}
	if len(variables) < 25 {
		t.Errorf("the reference has %d variables; this test reads it wrongly", len(variables))
	}
	project := compose(t, with(dotEnv, "WEBHOOKS_TIMEOUT", "7s"), plausibleCE, overlay)
	if got := settings(t, project.Services["plausible_webhooks"]).Timeout; got != 7*time.Second {
		t.Errorf("WEBHOOKS_TIMEOUT=7s in .env comes to %s", got)
	}
}
