package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"plausible-webhooks/config/env"
	"plausible-webhooks/config/event"
	"plausible-webhooks/config/settings"
	"plausible-webhooks/config/store"
	"plausible-webhooks/evaluator"
	"plausible-webhooks/evaluator/stats"
	"plausible-webhooks/sender"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5/pgxpool"
)

// settingsPages wires the pages of site settings to the other rooms. Wake is
// called when something is queued that should go out at once.
func settingsPages(of env.Settings, pool *pgxpool.Pool, client *stats.Client, wake func(), logger hclog.Logger) *settings.Pages {
	log := deliveryLog{pool, wake}
	return settings.New(settings.Options{
		Store: openStore(pool, of), History: log, Resender: log, Tester: log, Backtester: backtester{client, of},
		BaseURL: of.BaseURL.String(), Version: programVersion(), Timeout: of.Timeout, Logger: logger,
	})
}

// deliveryLog is the sender's log as the pages see it.
type deliveryLog struct {
	pool *pgxpool.Pool
	wake func()
}

func (l deliveryLog) of(site int64) sender.SiteLog { return sender.SiteLog{DB: l.pool, Site: site} }

func (l deliveryLog) Latest(ctx context.Context, site int64, webhooks []int64, most int) (map[int64][]settings.Delivery, error) {
	found, err := l.of(site).Latest(ctx, webhooks, most)
	if err != nil {
		return nil, forPages(err)
	}
	latest := make(map[int64][]settings.Delivery, len(found))
	for id, entries := range found {
		latest[id] = deliveriesOf(entries)
	}
	return latest, nil
}

func (l deliveryLog) Log(ctx context.Context, q settings.LogQuery) (settings.LogPage, error) {
	page, err := l.of(q.Site).Page(ctx, sender.PageFilter{
		WebhookID: q.Webhook, Status: q.Status, EventType: q.Event, From: q.From, Until: q.Until, After: q.After, Limit: q.Limit,
	})
	if err != nil {
		return settings.LogPage{}, forPages(err)
	}
	return settings.LogPage{Deliveries: deliveriesOf(page.Entries), Next: page.Next, Partial: page.Partial, Oldest: page.Oldest}, nil
}

func (l deliveryLog) Delivery(ctx context.Context, site, webhook int64, id string) (settings.DeliveryDetail, error) {
	found, err := l.of(site).Show(ctx, webhook, id)
	if err != nil {
		return settings.DeliveryDetail{}, forPages(err)
	}
	detail := settings.DeliveryDetail{Delivery: deliveryOf(found.Entry), Payload: found.Payload}
	for _, a := range found.AttemptLog {
		attempt := settings.Attempt{
			Number: a.Attempt, StartedAt: a.StartedAt, Done: done(a), StatusCode: orZero(a.StatusCode), Error: orZero(a.Error), Excerpt: orZero(a.ResponseExcerpt),
		}
		attempt.Duration = time.Duration(orZero(a.DurationMS)) * time.Millisecond
		detail.AttemptLog = append(detail.AttemptLog, attempt)
	}
	return detail, nil
}

func (l deliveryLog) Resend(ctx context.Context, site, webhook int64, id string) error {
	err := l.of(site).Resend(ctx, webhook, id)
	if err == nil {
		l.wake()
	}
	return forPages(err)
}

func (l deliveryLog) ResendSince(ctx context.Context, site, webhook int64, since time.Time, statuses []string) (int64, error) {
	count, err := l.of(site).ResendSince(ctx, webhook, since, statuses)
	if count > 0 {
		l.wake()
	}
	return count, forPages(err)
}

func (l deliveryLog) Test(ctx context.Context, site, webhook int64, format event.Format, payload string) (string, error) {
	id, err := l.of(site).EnqueueTest(ctx, webhook, format, payload)
	if err == nil {
		l.wake()
	}
	return id, forPages(err)
}

func deliveriesOf(entries []sender.Entry) []settings.Delivery {
	list := make([]settings.Delivery, len(entries))
	for i, e := range entries {
		list[i] = deliveryOf(e)
	}
	return list
}

func deliveryOf(e sender.Entry) settings.Delivery {
	return settings.Delivery{
		ID: e.ID, WebhookID: e.WebhookID, Event: event.Type(e.EventType), Format: event.Format(e.Format), Status: e.Status,
		Attempts: e.Attempts, LastStatusCode: orZero(e.LastStatusCode), LastError: orZero(e.LastError),
		Claimed:       e.ClaimedUntil != nil && e.ClaimedUntil.After(time.Now()),
		NextAttemptAt: orZero(e.NextAttemptAt), InsertedAt: e.InsertedAt, FinishedAt: orZero(e.FinishedAt),
	}
}

func orZero[T any](p *T) (value T) {
	if p != nil {
		value = *p
	}
	return value
}

// forPages gives the sender's errors the names that the pages know.
func forPages(err error) error {
	for from, to := range map[error]error{
		sender.ErrNotFound: settings.ErrNotFound, sender.ErrNoWebhook: settings.ErrNotFound, sender.ErrInFlight: settings.ErrInFlight,
		sender.ErrDisabled: settings.ErrDisabled, sender.ErrPaused: settings.ErrPaused,
	} {
		if errors.Is(err, from) {
			return fmt.Errorf("%w: %w", to, err)
		}
	}
	return err
}

// backtester is the evaluator's backtest as the pages see it.
type backtester struct {
	stats    *stats.Client
	settings env.Settings
}

func (b backtester) Backtest(ctx context.Context, t settings.Trial) (settings.Outlook, error) {
	now, err := b.stats.Now(ctx)
	if err != nil {
		return settings.Outlook{}, err
	}
	until := time.Unix(now, 0)
	h, err := evaluator.Backtest(ctx, b.stats, evaluator.BacktestOptions{
		Site: t.Subject.Site, Goal: t.Subject.Goal, Trigger: t.Trigger, Format: t.Format, Threshold: t.Subject.Threshold, Others: t.Others,
		Since: t.Since, Until: until, PollInterval: b.settings.PollInterval, Points: t.Points, BaseURL: b.settings.BaseURL.String(),
	})
	if err != nil {
		return settings.Outlook{}, err
	}
	out := settings.Outlook{
		Threshold: h.Threshold, WindowSeconds: h.WindowSeconds, CooldownSeconds: h.CooldownSeconds, Since: h.Since, Until: h.Until,
		Rows: h.Rows, Fired: h.Fired, Step: h.SeriesStep, Extreme: settings.Point(h.Extreme),
	}
	for _, f := range h.Firings {
		if !f.Ended {
			out.Firings = append(out.Firings, settings.Firing{At: f.At, Value: f.Value})
		}
	}
	for _, p := range h.Series {
		out.Series = append(out.Series, settings.Point(p))
	}
	for _, o := range h.Others {
		out.Others = append(out.Others, settings.Outcome(o))
	}
	return out, nil
}

// The pages' interfaces are met by what is above, and the store reads from the
// same pool.
var (
	_ settings.History    = deliveryLog{}
	_ settings.Resender   = deliveryLog{}
	_ settings.Tester     = deliveryLog{}
	_ settings.Backtester = backtester{}
	_ store.Database      = (*pgxpool.Pool)(nil)
)
