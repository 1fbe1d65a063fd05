package prometheus

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// rule is one alert of alerts.yml.
type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func rules(t *testing.T) []rule {
	t.Helper()
	text, err := os.ReadFile("alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) < 10 {
		t.Fatalf("alerts.yml has %d alerts; this test reads it wrongly", len(all))
	}
	return all
}

// Rules use metrics and labels that exist, and tell a person what to do.
func TestRules(t *testing.T) {
	metrics := exposed(t)
	seen := map[string]bool{}
	for _, r := range rules(t) {
		if seen[r.Alert] || !regexp.MustCompile(`^PlausibleWebhooks[A-Z][A-Za-z]+$`).MatchString(r.Alert) {
			t.Errorf("alert %q: want a name of our own, once", r.Alert)
		}
		seen[r.Alert] = true
		for _, problem := range metrics.check(r.Expr) {
			t.Errorf("%s: %s", r.Alert, problem)
		}
		if r.For == "" {
			t.Errorf("%s has no time after which it fires", r.Alert)
		}
		switch r.Labels["severity"] {
		case "critical", "warning", "info":
		default:
			t.Errorf("%s has the severity %q", r.Alert, r.Labels["severity"])
		}
		for _, part := range []string{"summary", "impact", "action"} {
			if text := r.Annotations[part]; len(text) < 20 || !strings.HasSuffix(text, ".") {
				t.Errorf("%s: the %s %q is no sentence", r.Alert, part, text)
			}
		}
		if len(r.Annotations) != 3 {
			t.Errorf("%s has %d annotations, want summary, impact and action", r.Alert, len(r.Annotations))
		}
	}
}

// Every alert is tried in alerts_test.yml, with Prometheus' own tool.
func TestRulesWithPromtool(t *testing.T) {
	tests, err := os.ReadFile("alerts_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules(t) {
		if !strings.Contains(string(tests), r.Alert) && !strings.Contains(string(tests), strings.TrimPrefix(r.Alert, "PlausibleWebhooks")) {
			t.Errorf("alerts_test.yml does not try %s", r.Alert)
		}
	}
	tool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("promtool is not there, and CI has to have it (Debian's package prometheus)")
		}
		t.Skip("promtool is not there: the rules are not tried (Debian's package prometheus has it)")
	}
	for _, arguments := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		if output, err := exec.CommandContext(t.Context(), tool, arguments...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(arguments, " "), err, output)
		}
	}
}
