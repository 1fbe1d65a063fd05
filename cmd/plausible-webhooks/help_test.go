package main

import (
	"strings"
	"testing"
)

// commandLines are all commands.
var commandLines = []string{
	"", "run", "migrate", "check", "health", "backtest", "uninstall", "version",
	"webhook", "webhook add", "webhook list", "webhook update", "webhook remove", "webhook test", "webhook rotate-secret",
	"delivery", "delivery list", "delivery show", "delivery resend",
}

func TestHelpOfEachCommand(t *testing.T) {
	for _, line := range commandLines {
		t.Run("help "+line, func(t *testing.T) {
			r := runLine(t, nil, "", append(strings.Fields(line), "--help")...)
			r.want(t, exitDone, "Usage: plausible-webhooks")
			if r.stderr != "" {
				t.Errorf("help on stderr: %s", r.stderr)
			}
			golden(t, "help/"+strings.ReplaceAll("plausible-webhooks "+line, " ", "_"), r.stdout)
		})
	}
}

func TestMistakesOfTheCommandLine(t *testing.T) {
	tests := []struct {
		line  []string
		parts []string
	}{
		{[]string{"webhok"}, []string{"unexpected argument webhok", "--help"}},
		{[]string{"webhook", "add"}, []string{"missing flags: --url", `Run "plausible-webhooks webhook add --help"`}},
		{[]string{"webhook", "add", "--url", hookURL, "--trigger", "traffic.surge"}, []string{"--trigger", "traffic.spike, traffic.drop, goal.completed, goal.threshold"}},
		{[]string{"webhook", "add", "--url", hookURL, "--trigger", "goal.threshold,threshold=0"}, []string{"--trigger", "at least 1"}},
		{[]string{"webhook", "update", "seven"}, []string{"seven"}},
		{[]string{"webhook", "update", "7", "--enable", "--disable"}, []string{"--enable", "--disable"}},
		{[]string{"webhook", "list", "--jsn"}, []string{"--jsn", "--json"}},
	}
	for _, test := range tests {
		t.Run(strings.Join(test.line, " "), func(t *testing.T) {
			r := runLine(t, nil, "", test.line...)
			r.want(t, exitMistaken, test.parts...)
			if r.stdout != "" {
				t.Errorf("a mistake is told on stdout: %s", r.stdout)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	runLine(t, nil, "", "version").want(t, exitDone, "plausible-webhooks "+programVersion())
	if got := decode(t, runLine(t, nil, "", "version", "--json").stdout)["version"]; got != programVersion() {
		t.Errorf("version --json = %v; want %s", got, programVersion())
	}
}
