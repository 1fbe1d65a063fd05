package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/deploy/devstack/sidecar"
	"plausible-webhooks/deploy/devstack/stack"
)

// idleOptions say what is measured.
type idleOptions struct {
	minutes  float64 // Of idling; zero leaves it out.
	starts   int     // Zero leaves them out.
	webhooks int     // That are there at a start,
	sites    int     // and the sites that they are spread over.
}

func (o idleOptions) during() time.Duration {
	return time.Duration(o.minutes * float64(time.Minute))
}

func parseIdle(args []string) (o idleOptions, err error) {
	flags := flag.NewFlagSet("idle", flag.ContinueOnError)
	flags.Float64Var(&o.minutes, "minutes", 2, "real `minutes` of idling, and up to two more without the sidecar; 0 leaves it out")
	flags.IntVar(&o.starts, "starts", startTimes, "`starts` to measure; 0 leaves them out")
	flags.IntVar(&o.webhooks, "webhooks", startWebhooks, "`webhooks` at a start; promises are made for the default")
	flags.IntVar(&o.sites, "sites", startSites, "`sites` that they are spread over evenly, with two goals each; as many as webhooks is hardest")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	if o.minutes < 0 || o.starts < 0 {
		return o, errors.New("minutes and starts must not be negative")
	}
	if o.sites < 1 || o.sites >= siteStride || o.webhooks < o.sites || o.webhooks%o.sites != 0 {
		return o, errors.New("there must be sites, and each must have as many webhooks as the others")
	}
	if o.minutes == 0 && o.starts == 0 {
		return o, errors.New("without minutes and without starts nothing is left to measure")
	}
	return o, nil
}

// benchIdle measures what the sidecar takes where there is nothing to do, and
// how soon it is ready where much is set. Its error names every promise that
// was not kept.
func benchIdle(ctx context.Context, args []string) (err error) {
	o, err := parseIdle(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	b, err := newIdleBed(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	var broken []error
	if o.minutes > 0 {
		q, err := b.measureQuiet(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("\nIdle for %s: %s webhooks, each of another site, %s triggers; %.0f event a second in all, of which %d deliveries came\n(the built program, its settings as they are by default, ClickHouse held to Plausible CE's)\n\n",
			q.during, grouped(quietWebhooks), grouped(q.triggers), float64(quietPerDay)/86400, q.deliveries)
		broken = append(broken, printed("idle", q.promises())...)
	}
	if o.starts > 0 {
		s, err := b.measureStarts(ctx)
		if err != nil {
			return errors.Join(err, errors.Join(broken...)) // What was measured before is worth knowing.
		}
		fmt.Printf("\n%d starts beside %s webhooks of %s sites, with %s triggers and %s goals; from the process's start until /readyz says so\n(the built program)\n\n",
			len(s.took), grouped(o.webhooks), grouped(o.sites), grouped(s.triggers), grouped(s.goals))
		broken = append(broken, printed("start", s.promises())...)
	}
	fmt.Println()
	return errors.Join(broken...)
}

// idleBed is what both parts share: databases with few events, to which more
// come slowly, and a receiver.
type idleBed struct {
	options idleOptions
	dir     string
	binary  string
	caFile  string
	engines *engines
	hooks   *receiver.Receiver
	table   *table
	feed    *feed
}

func newIdleBed(ctx context.Context, o idleOptions) (_ *idleBed, err error) {
	b := &idleBed{options: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.dir, err = os.MkdirTemp("", "plausible-webhooks-bench-"); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	done := phase("idle: build the program, start PostgreSQL and ClickHouse")
	if b.binary, err = sidecar.Build(ctx, b.dir); err != nil {
		return nil, err
	}
	if b.engines, err = startEngines(ctx, stack.ProfileCE); err != nil {
		return nil, err
	}
	done("started")
	if b.hooks, err = receiver.Start(receiver.Options{}); err != nil {
		return nil, err
	}
	if b.caFile, err = b.hooks.CAFile(b.dir); err != nil {
		return nil, err
	}
	now := time.Now().Truncate(time.Second)
	if b.table, err = openTable(b.engines.events, newTraffic(quietWebhooks, quietPerDay*historyDays, quietPerDay, now.Add(-flatHours*time.Hour))); err != nil {
		return nil, err
	}
	if _, err := fillTable(ctx, b.table); err != nil {
		return nil, err
	}
	b.feed, err = startFeed(ctx, b.table)
	return b, err
}

func (b *idleBed) close() error {
	var errs []error
	if b.feed != nil {
		errs = append(errs, b.feed.stop())
	}
	if b.table != nil {
		b.table.close()
	}
	if b.hooks != nil {
		b.hooks.Stop()
	}
	if b.engines != nil {
		errs = append(errs, b.engines.stop())
	}
	return errors.Join(append(errs, os.RemoveAll(b.dir))...)
}

// configure fills a database with sites of so many webhooks each, and tells how
// many triggers they have.
func (b *idleBed) configure(ctx context.Context, database string, sites, each int) (triggers int, err error) {
	now := time.Now().Truncate(time.Second)
	c := configuration{traffic: b.table.traffic, perSite: each, url: b.hooks.URL("/hook/"), settled: now, counted: now}
	c.sites = sites
	return sites * each * c.triggers(), c.write(ctx, database)
}

func (b *idleBed) environment(database string) []string {
	return environment(database, b.engines.events, onLoopback(b.caFile)...)
}
