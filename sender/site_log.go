package sender

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
)

// SiteLog is the delivery log of one site's own webhooks, for whoever may see
// no other. Every statement carries the site's id: webhooks of other sites, of
// the whole instance and of the environment are ErrNoWebhook, and their
// deliveries ErrNotFound. Nothing here counts rows or skips over them, so that
// a long log costs no more than a short one.
type SiteLog struct {
	DB   Pool
	Site int64 // At least 1.
}

// Pool is a Database that begins transactions.
type Pool interface {
	Database
	Begin(ctx context.Context) (pgx.Tx, error)
}

// owned is the condition that webhook h is the site's; its parameters are $1
// and $2.
const owned = "h.site_id = $1 and h.managed_by <> $2"

const latestSQL = `select ` + entryColumns + ` from plausible_webhooks.webhooks h
	cross join lateral (
		select * from plausible_webhooks.webhook_deliveries d where d.webhook_id = h.id
		order by d.inserted_at desc, d.id desc limit $4) d
	where ` + owned + ` and h.id = any ($3) order by d.webhook_id, d.inserted_at desc, d.id desc`

// Latest returns the newest deliveries of each webhook, newest first.
func (l SiteLog) Latest(ctx context.Context, webhooks []int64, most int) (map[int64][]Entry, error) {
	rows, err := l.DB.Query(ctx, latestSQL, l.Site, config.ManagedByEnvironment, webhooks, most)
	if err != nil {
		return nil, fmt.Errorf("read the latest deliveries of site %d: %w", l.Site, err)
	}
	latest := map[int64][]Entry{}
	var e Entry
	_, err = pgx.ForEachRow(rows, e.fields(), func() error {
		latest[e.WebhookID] = append(latest[e.WebhookID], e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the latest deliveries of site %d: %w", l.Site, err)
	}
	return latest, nil
}

// PageFilter says which deliveries of one webhook Page returns.
type PageFilter struct {
	WebhookID int64
	Status    string     // Empty: any.
	EventType event.Type // Empty: any.
	From      time.Time  // Zero: unbounded.
	Until     time.Time  // Exclusive; zero: unbounded.
	After     string     // EntryPage.Next of the page before.
	Limit     int        // Zero: 50; at most 1000.
}

// EntryPage is a page of the log, the newest first.
type EntryPage struct {
	Entries []Entry // Never nil.
	Next    string  // For PageFilter.After; empty: there is nothing older.

	// Partial tells that mostLooked deliveries were looked at and that older
	// ones may fit as well; Oldest is how far that went.
	Partial bool
	Oldest  time.Time
}

// mostLooked bounds how many deliveries are looked at for one page, where a
// filter fits few of them: whoever wants more asks for the next page.
const mostLooked = 2500

// Page returns a page of a webhook's deliveries.
func (l SiteLog) Page(ctx context.Context, f PageFilter) (EntryPage, error) {
	q, err := l.pageQuery(f)
	if err != nil {
		return EntryPage{}, err
	}
	limit := min(positive(f.Limit, listDefault), listMost)
	// One walk along the log finds what fits and how far it went: the last one
	// looked at comes along though it may not fit.
	rows, err := l.DB.Query(ctx, `select `+entryColumns+`, d.place = `+strconv.Itoa(mostLooked)+`, `+q.fits+`
		from (select d.*, row_number() over (order by d.inserted_at desc, d.id desc) as place from (`+q.looked+`) d) d
		where `+q.fits+` or d.place = `+strconv.Itoa(mostLooked)+`
		order by d.inserted_at desc, d.id desc limit `+strconv.Itoa(limit+1), q.args...)
	if err != nil {
		return EntryPage{}, fmt.Errorf("list deliveries of webhook %d: %w", f.WebhookID, err)
	}
	page := EntryPage{Entries: []Entry{}}
	var e Entry
	var last, fits bool
	_, err = pgx.ForEachRow(rows, append(e.fields(), &last, &fits), func() error {
		if fits {
			page.Entries = append(page.Entries, e)
		}
		if last {
			page.Next, page.Partial, page.Oldest = cursorOf(e.InsertedAt, e.ID), true, e.InsertedAt
		}
		return nil
	})
	if err != nil {
		return EntryPage{}, fmt.Errorf("list deliveries of webhook %d: %w", f.WebhookID, err)
	}
	if len(page.Entries) > limit {
		end := page.Entries[limit-1]
		return EntryPage{Entries: page.Entries[:limit], Next: cursorOf(end.InsertedAt, end.ID)}, nil
	}
	return page, nil
}

// pageQuery is what a page is made of: the deliveries that are looked at, no
// more than mostLooked, and the condition that they must fit.
type pageQuery struct {
	looked string
	fits   string
	args   []any
}

func (q *pageQuery) with(value any) string {
	q.args = append(q.args, value)
	return "$" + strconv.Itoa(len(q.args))
}

// pageQuery puts into the first part what an index answers, and leaves to the
// second what has to be looked at.
func (l SiteLog) pageQuery(f PageFilter) (pageQuery, error) {
	q := pageQuery{args: []any{l.Site, config.ManagedByEnvironment, f.WebhookID}, fits: "(true"}
	where := "d.webhook_id = (select h.id from plausible_webhooks.webhooks h where " + owned + " and h.id = $3)"
	if !f.From.IsZero() {
		where += " and d.inserted_at >= " + q.with(f.From)
	}
	if !f.Until.IsZero() {
		where += " and d.inserted_at < " + q.with(f.Until)
	}
	if f.After != "" {
		at, id, err := readCursor(f.After)
		if err != nil {
			return q, err
		}
		where += " and (d.inserted_at, d.id) < (" + q.with(at) + "::timestamptz, " + q.with(id) + "::uuid)"
	}
	switch f.Status {
	case StatusFailed, StatusCancelled:
		// Written as the index webhook_deliveries_troubled has it, and below
		// as webhook_deliveries_due has it.
		where += " and d.status in ('failed', 'cancelled')"
	case StatusPending:
		where += " and d.status = 'pending'"
	}
	q.looked = "select * from plausible_webhooks.webhook_deliveries d where " + where +
		" order by d.inserted_at desc, d.id desc limit " + strconv.Itoa(mostLooked)
	if f.Status != "" {
		q.fits += " and d.status = " + q.with(f.Status)
	}
	if f.EventType != "" {
		q.fits += " and d.event_type = " + q.with(string(f.EventType))
	}
	q.fits += ")"
	return q, nil
}

// cursorOf is a place in the log: times are exact to the microsecond, as
// PostgreSQL's are, and the id tells those of the same one apart.
func cursorOf(at time.Time, id string) string {
	return strconv.FormatInt(at.UnixMicro(), 10) + "." + id
}

func readCursor(text string) (at time.Time, id uuid.UUID, err error) {
	micros, rest, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(micros, 10, 64)
	// PostgreSQL's times end in the year 294276.
	if year := time.UnixMicro(n).Year(); err != nil || year < 1 || year > 9999 {
		return at, id, fmt.Errorf("%q is no place in the log: %w", text, ErrNotFound)
	}
	id, err = parseID(rest)
	return time.UnixMicro(n), id, err
}

// Show returns one delivery of a webhook with its attempts.
func (l SiteLog) Show(ctx context.Context, webhook int64, id string) (d Detail, err error) {
	err = l.within(ctx, webhook, id, func(tx pgx.Tx) error {
		d, err = Show(ctx, tx, id)
		return err
	})
	return d, err
}

// Resend is the function of that name for one of the site's deliveries.
func (l SiteLog) Resend(ctx context.Context, webhook int64, id string) error {
	return l.within(ctx, webhook, id, func(tx pgx.Tx) error { return Resend(ctx, tx, id) })
}

// ResendSince is the function of that name for one of the site's webhooks.
func (l SiteLog) ResendSince(ctx context.Context, webhook int64, since time.Time, statuses []string) (count int64, err error) {
	return resendSince(ctx, webhook, since, statuses, func(do func(Database) error) error {
		return l.within(ctx, webhook, "", func(tx pgx.Tx) error { return do(tx) })
	})
}

// EnqueueTest is the function of that name for one of the site's webhooks.
func (l SiteLog) EnqueueTest(ctx context.Context, webhook int64, format event.Format, payload string) (id string, err error) {
	err = l.within(ctx, webhook, "", func(tx pgx.Tx) error {
		id, err = EnqueueTest(ctx, tx, Test{WebhookID: webhook, SiteID: l.Site, Format: format, Payload: payload})
		return err
	})
	return id, err
}

// within does something about a webhook, or about one of its deliveries, in a
// transaction that holds the webhook to be the site's.
func (l SiteLog) within(ctx context.Context, webhook int64, delivery string, do func(pgx.Tx) error) error {
	var id *uuid.UUID
	if delivery != "" {
		parsed, err := parseID(delivery)
		if err != nil {
			return err
		}
		id = &parsed
	}
	return pgx.BeginFunc(ctx, l.DB, func(tx pgx.Tx) error {
		var found bool
		err := tx.QueryRow(ctx, `select $4::uuid is null or exists (
				select from plausible_webhooks.webhook_deliveries d where d.id = $4 and d.webhook_id = h.id)
			from plausible_webhooks.webhooks h where `+owned+` and h.id = $3 for key share of h`,
			l.Site, config.ManagedByEnvironment, webhook, id).Scan(&found)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return fmt.Errorf("webhook %d: %w", webhook, ErrNoWebhook)
		case err != nil:
			return fmt.Errorf("look for webhook %d: %w", webhook, err)
		case !found:
			return fmt.Errorf("delivery %s: %w", delivery, ErrNotFound)
		}
		return do(tx)
	})
}
