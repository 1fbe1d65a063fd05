package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/env"
	"plausible-webhooks/config/event"
	"plausible-webhooks/config/store"
	"plausible-webhooks/evaluator"
)

type backtestCommand struct {
	Site      string       `required:"" placeholder:"DOMAIN" help:"The site, as Plausible names it."`
	Type      string       `required:"" placeholder:"TYPE" help:"traffic.spike, traffic.drop, goal.threshold or goal.completed."`
	Threshold *int         `placeholder:"N" help:"Visitors, or completions for goal.threshold; else that of the site's own notification."`
	Goal      string       `placeholder:"NAME" help:"The goal's name in Plausible; needed for the types about goals."`
	Window    secondsFlag  `placeholder:"TIME" help:"Seconds, or 5m, 12h; else 5m for spikes, 12h for drops, 1h for goal.threshold."`
	Cooldown  *secondsFlag `placeholder:"TIME" help:"Seconds, or 30m, 12h, until it may fire again; else 12h, and 0 for goal.completed."`
	Once      bool         `help:"Fire once until it is over."`
	Recovery  bool         `help:"Tell when it is over, too."`
	Since     string       `default:"30d" placeholder:"30d" help:"How far back: 30d, 12h, 2026-11-23, \"2026-11-23 19:10\" or RFC 3339."`
	JSON      bool         `name:"json" help:"Print all of it as JSON, with each event's data."`
}

// Help implements kong.HelpProvider.
func (backtestCommand) Help() string {
	return `Reads the events that Plausible has stored and tells how often the trigger would have fired, when, and what it would have said: a threshold can be chosen before the trigger is saved. It needs no webhook and writes nothing.

The trigger is evaluated just as the running sidecar would have, at each of its moments. Two more thresholds, half and double, are tried along with it.

Examples:

    plausible-webhooks backtest --site example.com --type traffic.spike --threshold 100
    plausible-webhooks backtest --site example.com --type traffic.drop --threshold 10 --since 2026-10-01
    plausible-webhooks backtest --site example.com --type goal.threshold --goal Signup \
      --threshold 20 --window 1h --recovery --json`
}

// secondsFlag is a time in seconds, or as 5m or 12h.
type secondsFlag int

// UnmarshalText implements encoding.TextUnmarshaler for kong.
func (s *secondsFlag) UnmarshalText(text []byte) error {
	n, err := seconds(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a time such as 300, 5m or 12h", text)
	}
	*s = secondsFlag(n)
	return nil
}

// trial is a trigger and what it would have done.
type trial struct {
	spec    store.TriggerSpec
	subject store.Subject
	history evaluator.History
}

func (c backtestCommand) Run(ctx context.Context, p program) error {
	settings, err := p.settings(env.WithoutBaseURL())
	if err != nil {
		return err
	}
	since, err := p.since(c.Since)
	if err != nil {
		return err
	}
	var t trial
	if t.spec, err = c.spec(); err != nil {
		return err
	}
	if t.subject, err = c.subject(ctx, settings, t.spec); err != nil {
		return err
	}
	client, err := openStats(settings.ClickHouse)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // Only idle connections are left.
	now, err := client.Now(ctx)
	if err != nil {
		return fmt.Errorf("%s (CLICKHOUSE_DATABASE_URL) does not answer; `plausible-webhooks check` tells more: %w", settings.ClickHouse, err)
	}
	if since.Unix() >= now {
		return mistake("since", "%s is not in the past", p.clock(since))
	}
	bar := p.progress("Reading the events of " + t.subject.Site.Domain)
	options := evaluator.BacktestOptions{
		Site: t.subject.Site, Goal: t.subject.Goal, Trigger: t.trigger(), Threshold: t.subject.Threshold, Others: t.neighbours(),
		Since: since, Until: time.Unix(now, 0), PollInterval: settings.PollInterval, BaseURL: settings.BaseURL.String(), Progress: bar.tell,
	}
	if !c.JSON {
		options.Points = p.columns() - chartMargin
	}
	t.history, err = evaluator.Backtest(ctx, client, options)
	bar.clear()
	if err != nil {
		return err
	}
	if err := t.nothing(p); err != nil {
		return err
	}
	if c.JSON {
		return t.printJSON(p)
	}
	t.print(p)
	return nil
}

// spec is the trigger as the other commands enter it.
func (c backtestCommand) spec() (store.TriggerSpec, error) {
	spec := store.TriggerSpec{
		Type: event.Type(c.Type), Goal: c.Goal, WindowSeconds: int(c.Window), Once: c.Once, Recovery: c.Recovery,
	}
	if c.Threshold != nil {
		if spec.Threshold = *c.Threshold; spec.Threshold < 1 {
			return spec, mistake("threshold", "%d is not a whole number of at least 1", spec.Threshold)
		}
	}
	if c.Cooldown != nil {
		cooldown := int(*c.Cooldown)
		spec.CooldownSeconds = &cooldown
	}
	return spec, nil
}

// subject finds the site and the goal. It needs none of the sidecar's tables.
func (c backtestCommand) subject(ctx context.Context, settings env.Settings, spec store.TriggerSpec) (store.Subject, error) {
	conn, err := connect(ctx, settings.Database)
	if err != nil {
		return store.Subject{}, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	subject, err := openStore(conn, settings).Subject(ctx, c.Site, spec)
	switch {
	case err != nil:
		return subject, err
	case spec.Type.AboutGoal() && subject.Goal == nil:
		return subject, mistake("goal", "%s counts each goal by itself: name one of %s, as in --goal Signup", spec.Type, subject.Site.Domain)
	case !spec.Type.AboutGoal() && spec.Threshold == 0 && subject.Threshold == 0:
		return subject, mistake("threshold", "%s has no notification in Plausible whose threshold %s could take: give one, as in --threshold 10", subject.Site.Domain, spec.Type)
	}
	return subject, nil
}

// trigger is the trigger as it would be stored.
func (t trial) trigger() config.Trigger {
	return config.Trigger{
		Type: t.spec.Type, GoalID: t.goal().ID, Threshold: t.spec.Threshold, WindowSeconds: t.spec.WindowSeconds,
		CooldownSeconds: t.spec.CooldownSeconds, Repeat: !t.spec.Once, NotifyRecovery: t.spec.Recovery, Enabled: true,
	}
}

// goal is zero for a trigger of traffic.
func (t trial) goal() config.Goal {
	if t.subject.Goal == nil {
		return config.Goal{}
	}
	return *t.subject.Goal
}

// neighbours are thresholds worth knowing about beside the one asked for.
func (t trial) neighbours() []int {
	threshold := cmp.Or(t.spec.Threshold, t.subject.Threshold)
	switch {
	case t.spec.Type == event.GoalCompleted:
		return nil
	case threshold == 1:
		return []int{2}
	}
	return []int{threshold / 2, 2 * threshold}
}

// nothing is an error where there was nothing to evaluate.
func (t trial) nothing(p program) error {
	h := t.history
	if h.Rows > 0 || h.Fired > 0 {
		return nil
	}
	what := t.subject.Site.Domain + " had no events"
	if t.subject.Goal != nil {
		what = fmt.Sprintf("goal %q of %s was not completed", t.goal().DisplayName, t.subject.Site.Domain)
	}
	remedy := "begin earlier, as in --since 90d"
	if t.cut() {
		remedy = "nothing older counts, so try again later"
	}
	return fmt.Errorf("%s since %s: %s", what, t.since(p), remedy)
}
