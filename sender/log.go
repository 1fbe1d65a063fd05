package sender

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Database is what the delivery log needs: a pool, a connection or a
// transaction.
type Database interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// The statuses of a delivery (deploy/REFERENCE.md section 3).
const (
	StatusPending   = "pending"
	StatusDelivered = "delivered"
	StatusFailed    = "failed"
	StatusCancelled = "cancelled"
)

// Statuses returns every status, in the order of a delivery's life.
func Statuses() []string {
	return []string{StatusPending, StatusDelivered, StatusFailed, StatusCancelled}
}

// Entry is one delivery of the log; its JSON keys are the columns of
// deploy/REFERENCE.md section 3.
type Entry struct {
	ID             string     `json:"id"`
	WebhookID      int64      `json:"webhook_id"`
	TriggerID      *int64     `json:"trigger_id"`
	SiteID         *int64     `json:"site_id"`
	EventType      string     `json:"event_type"`
	EventKey       string     `json:"event_key"`
	Format         string     `json:"format"`
	Status         string     `json:"status"`
	Attempts       int        `json:"attempts"`
	LastStatusCode *int       `json:"last_status_code"`
	LastError      *string    `json:"last_error"`
	NextAttemptAt  *time.Time `json:"next_attempt_at"`
	ClaimedUntil   *time.Time `json:"claimed_until"`
	InsertedAt     time.Time  `json:"inserted_at"`
	FinishedAt     *time.Time `json:"finished_at"`
}

// Detail is one delivery with its payload and attempts.
type Detail struct {
	Entry
	Payload    string    `json:"payload"`
	AttemptLog []Attempt `json:"attempt_log"` // The oldest first; never nil.
}

// Attempt is one request of a delivery. All of its pointers are nil while it
// is on its way.
type Attempt struct {
	Attempt         int       `json:"attempt"`
	StartedAt       time.Time `json:"started_at"`
	DurationMS      *int      `json:"duration_ms"`
	StatusCode      *int      `json:"status_code"`
	Error           *string   `json:"error"`
	ResponseExcerpt *string   `json:"response_excerpt"`
}

// Filter says which deliveries List returns; the zero value, the newest 50.
type Filter struct {
	WebhookID int64    // Zero: of every webhook.
	SiteID    int64    // Zero: of every site.
	Statuses  []string // Empty: every status.
	Since     time.Time
	Before    string // The id of a delivery: only older ones, for the next page.
	Limit     int    // Zero: 50; at most 1000.
}

const (
	listDefault = 50
	listMost    = 1000
)

// ErrNotFound means that no delivery has the id.
var ErrNotFound = errors.New("there is no such delivery")

const entryColumns = `d.id::text, d.webhook_id, d.trigger_id, d.site_id, d.event_type, d.event_key, d.format, d.status,
	d.attempts, d.last_status_code, d.last_error, d.next_attempt_at, d.claimed_until, d.inserted_at, d.finished_at`

func (e *Entry) fields() []any {
	return []any{&e.ID, &e.WebhookID, &e.TriggerID, &e.SiteID, &e.EventType, &e.EventKey, &e.Format, &e.Status,
		&e.Attempts, &e.LastStatusCode, &e.LastError, &e.NextAttemptAt, &e.ClaimedUntil, &e.InsertedAt, &e.FinishedAt}
}

// List returns deliveries, the newest first; never nil.
func List(ctx context.Context, db Database, f Filter) ([]Entry, error) {
	limit := min(positive(f.Limit, listDefault), listMost)
	var since *time.Time
	if !f.Since.IsZero() {
		since = &f.Since
	}
	var before *uuid.UUID
	if f.Before != "" {
		id, err := parseID(f.Before)
		if err != nil {
			return nil, err
		}
		before = &id
	}
	rows, err := db.Query(ctx, `select `+entryColumns+` from plausible_webhooks.webhook_deliveries d
		where ($1 = 0 or d.webhook_id = $1) and ($2 = 0 or d.site_id = $2)
		  and (cardinality($3::text[]) = 0 or d.status = any ($3))
		  and ($4::timestamptz is null or d.inserted_at >= $4)
		  and ($5::uuid is null or (d.inserted_at, d.id) < (select b.inserted_at, b.id from plausible_webhooks.webhook_deliveries b where b.id = $5))
		order by d.inserted_at desc, d.id desc limit $6`,
		f.WebhookID, f.SiteID, append([]string{}, f.Statuses...), since, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	entries, err := pgx.AppendRows([]Entry{}, rows, func(row pgx.CollectableRow) (e Entry, err error) {
		return e, row.Scan(e.fields()...)
	})
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	return entries, nil
}

// Show returns one delivery with its attempts. The error wraps ErrNotFound
// where there is none.
func Show(ctx context.Context, db Database, id string) (Detail, error) {
	parsed, err := parseID(id)
	if err != nil {
		return Detail{}, err
	}
	var d Detail
	err = db.QueryRow(ctx, `select `+entryColumns+`, d.payload from plausible_webhooks.webhook_deliveries d where d.id = $1`,
		parsed).Scan(append(d.fields(), &d.Payload)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return Detail{}, fmt.Errorf("delivery %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return Detail{}, fmt.Errorf("read delivery %s: %w", id, err)
	}
	rows, err := db.Query(ctx, `select attempt, started_at, duration_ms, status_code, error, response_excerpt
		from plausible_webhooks.webhook_delivery_attempts where delivery_id = $1 order by attempt`, parsed)
	if err != nil {
		return Detail{}, fmt.Errorf("read attempts of delivery %s: %w", id, err)
	}
	d.AttemptLog, err = pgx.AppendRows([]Attempt{}, rows, pgx.RowToStructByPos[Attempt])
	if err != nil {
		return Detail{}, fmt.Errorf("read attempts of delivery %s: %w", id, err)
	}
	return d, nil
}

// parseID reads a delivery's id. What is no id names no delivery.
func parseID(id string) (uuid.UUID, error) {
	parsed, err := uuid.Parse(id)
	if err != nil {
		return uuid.UUID{}, fmt.Errorf("delivery %q: %w (an id looks like %s)", id, ErrNotFound, "01990000-0000-7000-8000-000000000000")
	}
	return parsed, nil
}
