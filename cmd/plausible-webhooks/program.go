package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"plausible-webhooks/config/env"
	"plausible-webhooks/config/store"

	"github.com/alecthomas/kong"
	"golang.org/x/term"
)

// The exit codes.
const (
	exitDone     = 0
	exitFailed   = 1
	exitMistaken = 2 // Bad configuration or usage.
)

// program is what a command has of the world.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	source         env.Source
	now            func() time.Time
	local          *time.Location // For times that people read.
	person         bool           // Somebody can answer on stdin.
}

// commands is the tree of commands. The order is that of the help.
type commands struct {
	Run       runCommand       `cmd:"" default:"1" help:"Follow the settings, evaluate triggers and send (also with no command)."`
	Migrate   migrateCommand   `cmd:"" help:"Create or upgrade the tables of the sidecar; run does it too."`
	Check     checkCommand     `cmd:"" help:"Tell what is in order and how to mend what is not."`
	Health    healthCommand    `cmd:"" help:"Tell whether the sidecar that runs here lives; for container runtimes."`
	Backtest  backtestCommand  `cmd:"" help:"Tell how often a trigger would have fired so far, before it is saved."`
	Webhook   webhookCommands  `cmd:"" help:"Add, list, change, test and remove webhooks."`
	Delivery  deliveryCommands `cmd:"" help:"List deliveries, show what became of one, send again."`
	Uninstall uninstallCommand `cmd:"" help:"Show what the sidecar has in Plausible's PostgreSQL, and remove it after asking."`
	Version   versionCommand   `cmd:"" help:"Print the version."`
}

type webhookCommands struct {
	Add          addWebhook    `cmd:"" help:"Add a webhook to a site, or to the whole instance."`
	List         listWebhooks  `cmd:"" help:"List webhooks with their triggers."`
	Update       updateWebhook `cmd:"" help:"Change a webhook or its triggers, pause it or switch it on."`
	Remove       removeWebhook `cmd:"" help:"Remove a webhook with its log."`
	Test         testWebhook   `cmd:"" help:"Send a test event and tell what came of it."`
	RotateSecret rotateSecret  `cmd:"" help:"Give a webhook a new secret; the old one goes on for a while."`
}

type deliveryCommands struct {
	List   listDeliveries `cmd:"" help:"List deliveries, the newest first."`
	Show   showDelivery   `cmd:"" help:"Show one delivery: payload, attempts, answers."`
	Resend resendDelivery `cmd:"" help:"Send one again, or all of a webhook that have not arrived."`
}

const description = `Signed webhooks for self-hosted Plausible: a sidecar that reads Plausible's settings and visits, and calls a URL when traffic spikes or drops, or when a goal is completed.

It is configured by the environment; the variables of Plausible's own container are enough to begin with. Start with: plausible-webhooks check`

// ended carries kong's wish to exit, as after --help, out of the parser.
type ended int

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, args []string, p program) (code int) {
	defer func() {
		switch reason := recover().(type) {
		case nil:
		case ended:
			code = int(reason)
		default:
			panic(reason)
		}
	}()
	var tree commands
	parser, err := kong.New(&tree,
		kong.Name("plausible-webhooks"),
		kong.Description(description),
		kong.Writers(p.stdout, p.stderr),
		kong.Exit(func(code int) { panic(ended(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(p),
	)
	if err != nil {
		panic(err) // The tree is a constant: a test builds it.
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(p.stderr, "plausible-webhooks: %v\n", err)
		fmt.Fprintf(p.stderr, "Run \"%s --help\" to see how it is used.\n", asFarAsKnown(err))
		return exitMistaken
	}
	return p.report(command.Run())
}

// asFarAsKnown is the command whose help answers a mistake of the command line.
func asFarAsKnown(err error) string {
	var wrong *kong.ParseError
	if errors.As(err, &wrong) && wrong.Context != nil {
		if selected := wrong.Context.Selected(); selected != nil {
			return selected.FullPath()
		}
	}
	return "plausible-webhooks"
}

// report prints an error and turns it into the exit code.
func (p program) report(err error) int {
	var mistakes env.Mistakes
	var invalid *store.Invalid
	var quiet quietly
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &mistakes):
		fmt.Fprintf(p.stderr, "plausible-webhooks: the environment has %s:\n%s\n", counted(len(mistakes), "mistake", "mistakes"), mistakes.Error())
		return exitMistaken
	case errors.As(err, &invalid):
		for _, field := range invalid.Fields {
			fmt.Fprintf(p.stderr, "plausible-webhooks: %s: %s\n", flagOf(field.Field), field.Message)
		}
		return exitMistaken
	case errors.As(err, &quiet):
		return exitFailed
	default:
		fmt.Fprintf(p.stderr, "plausible-webhooks: %v\n", err)
		return exitFailed
	}
}

// quietly is a failure that the command has told already.
type quietly struct{}

func (quietly) Error() string { return "told already" }

// settings reads the environment for a command that makes no links unless it
// says so; warnings go to stderr.
func (p program) settings(options ...env.Option) (env.Settings, error) {
	settings, warnings, err := env.Load(p.source, options...)
	for _, warning := range warnings {
		fmt.Fprintf(p.stderr, "warning: %s\n", warning)
	}
	return settings, err
}

// colour reports whether the output may hold colours (no-color.org).
func (p program) colour() bool {
	file, ok := p.stdout.(*os.File)
	return ok && term.IsTerminal(int(file.Fd())) && p.variable("NO_COLOR") == ""
}

// variable is a variable of the environment that is no setting.
func (p program) variable(name string) string {
	for _, variable := range p.source.Environ {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			return value
		}
	}
	return ""
}

// unicode reports whether the locale has more characters than ASCII.
func (p program) unicode() bool {
	locale := strings.ToLower(cmp.Or(p.variable("LC_ALL"), p.variable("LC_CTYPE"), p.variable("LANG")))
	return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
}

// Widths of the output, in characters.
const (
	usualColumns  = 80
	fewestColumns = 40
	mostColumns   = 160
)

// columns is the width of the output.
func (p program) columns() int { return cmp.Or(p.terminalColumns(), usualColumns) }

// terminalColumns is the width of the terminal; zero where the output is none.
func (p program) terminalColumns() int {
	file, ok := p.stdout.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width == 0 {
		return 0
	}
	return min(max(width, fewestColumns), mostColumns)
}
