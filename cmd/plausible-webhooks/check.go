package main

import (
	"context"
	"fmt"
	"time"

	"plausible-webhooks/config/env"

	"github.com/jackc/pgx/v5"
)

type checkCommand struct {
	JSON bool `name:"json" help:"Print the findings as JSON."`
}

// Help implements kong.HelpProvider.
func (checkCommand) Help() string {
	return `Looks at everything that the sidecar needs and says for each thing whether it is in order, a warning (it works, but less well) or a failure, with what mends it. Only failures make the exit code 1. Nothing is changed.

Beside the databases it asks Plausible at WEBHOOKS_PLAUSIBLE_URL, BASE_URL for the Webhooks page, and the hosts of the webhooks that are stored: they are connected to, and sent nothing.

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
	groups := append([][]finding{p.checkEnvironment(settings, warnings)}, inspect(ctx, settings)...)
	return c.print(p, groups)
}

// checkLimit bounds everything: a server that keeps silent is a finding, too.
const checkLimit = 2 * time.Minute

// inspect runs all checks, each as far as those before it allow. The findings
// come in groups: what belongs together stands together.
func inspect(ctx context.Context, settings env.Settings) (groups [][]finding) {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	conn, reached := checkPostgres(ctx, settings.Database)
	times := &clocks{}
	postgres := []finding{reached}
	if conn != nil {
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
		for _, check := range []func(context.Context, *pgx.Conn) []finding{
			checkPostgresVersion, checkDirectConnection, checkConnections, checkPlausibleTables, checkOwnTables,
		} {
			postgres = append(postgres, check(ctx, conn)...)
		}
		times.askPostgres(ctx, conn)
	}
	groups = append(groups, postgres)
	if conn != nil {
		groups = append(groups, checkReplication(ctx, conn, settings.ConfigSource))
	}
	clickHouse := checkClickHouse(ctx, settings.ClickHouse, times)
	groups = append(groups, append(clickHouse, times.check()...))
	webhooks := []finding{checkKey(settings.Keyring())}
	if conn != nil {
		webhooks = append(webhooks, checkWebhooks(ctx, conn, settings)...)
	}
	return append(groups, webhooks, checkPlausible(ctx, conn, settings))
}
