package main

import (
	"context"
	"fmt"
	"strings"

	"plausible-webhooks/config/env"

	"github.com/jackc/pgx/v5"
)

type checkCommand struct {
	JSON bool `name:"json" help:"Print the findings as JSON."`
}

// Help implements kong.HelpProvider.
func (checkCommand) Help() string {
	return `Looks at everything that the sidecar needs and says for each thing whether it is ok, a warning (it works, but less well) or a failure, with what mends it. Only failures make the exit code 1. Nothing is changed.

Example:

    plausible-webhooks check`
}

// level is how well one thing is.
type level string

const (
	levelOK      level = "ok"
	levelWarning level = "warning"
	levelFailure level = "failure"
)

// finding is what one check found.
type finding struct {
	Level  level  `json:"level"`
	Check  string `json:"check"`
	Result string `json:"result"`
	Mend   string `json:"mend,omitempty"` // What to do; empty where nothing is wrong.
}

func ok(check, format string, args ...any) finding {
	return finding{Level: levelOK, Check: check, Result: fmt.Sprintf(format, args...)}
}

func warning(check, result, mend string) finding {
	return finding{Level: levelWarning, Check: check, Result: result, Mend: mend}
}

func failure(check, result, mend string) finding {
	return finding{Level: levelFailure, Check: check, Result: result, Mend: mend}
}

func (c checkCommand) Run(ctx context.Context, p program) error {
	settings, warnings, err := env.Load(p.source)
	if err != nil {
		return err
	}
	var findings []finding
	for _, text := range warnings {
		findings = append(findings, warning("environment", text, "correct or remove the variable"))
	}
	if len(warnings) == 0 {
		findings = append(findings, ok("environment", "every variable is understood"))
	}
	findings = append(findings, inspect(ctx, settings)...)
	return c.print(p, findings)
}

// inspect runs all checks, each as far as those before it allow.
func inspect(ctx context.Context, settings env.Settings) (findings []finding) {
	conn, reached := checkPostgres(ctx, settings.Database)
	findings = append(findings, reached)
	if conn != nil {
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
		for _, check := range []func(context.Context, *pgx.Conn) []finding{
			checkPostgresVersion, checkDirectConnection, checkPlausibleTables, checkOwnTables,
		} {
			findings = append(findings, check(ctx, conn)...)
		}
		findings = append(findings, checkReplication(ctx, conn, settings.ConfigSource)...)
	}
	findings = append(findings, checkClickHouse(ctx, settings.ClickHouse)...)
	findings = append(findings, checkKey(settings.Keyring()))
	if conn != nil {
		findings = append(findings, checkWebhooks(ctx, conn, settings)...)
	}
	return append(findings, checkPlausible(ctx, settings.PlausibleURL))
}

func (c checkCommand) print(p program, findings []finding) error {
	counts := make(map[level]int)
	for _, f := range findings {
		counts[f.Level]++
	}
	if c.JSON {
		if err := p.printJSON(findings); err != nil {
			return err
		}
	} else {
		p.printFindings(findings, counts)
	}
	if counts[levelFailure] > 0 {
		return quietly{}
	}
	return nil
}

func (p program) printFindings(findings []finding, counts map[level]int) {
	widest := 0
	for _, f := range findings {
		widest = max(widest, len(f.Check))
	}
	for _, f := range findings {
		fmt.Fprintf(p.stdout, "%s  %-*s  %s\n", p.painted(f.Level), widest, f.Check, oneLine(f.Result))
		if f.Mend != "" {
			margin := strings.Repeat(" ", len(levelWarning)+2+widest+2)
			for i, line := range strings.Split(f.Mend, "\n") {
				arrow := "  "
				if i == 0 {
					arrow = "→ "
				}
				fmt.Fprintln(p.stdout, margin+arrow+line)
			}
		}
	}
	summary := "Everything is in order."
	switch {
	case counts[levelFailure] > 0:
		summary = counted(counts[levelFailure], "failure", "failures") + " and " + counted(counts[levelWarning], "warning", "warnings") + ": webhooks do not work like this."
	case counts[levelWarning] > 0:
		summary = "No failures, " + counted(counts[levelWarning], "warning", "warnings") + ": webhooks work."
	}
	fmt.Fprintln(p.stdout, "\n"+summary)
}

// painted is a level as wide as the widest, in its colour on a terminal.
func (p program) painted(l level) string {
	padded := fmt.Sprintf("%-*s", len(levelWarning), l)
	if !p.colour() {
		return padded
	}
	code := map[level]string{levelOK: "32", levelWarning: "33", levelFailure: "31"}[l]
	return "\x1b[" + code + "m" + padded + "\x1b[0m"
}
