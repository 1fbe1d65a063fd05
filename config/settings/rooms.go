package settings

import (
	"context"
	"errors"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/config/store"
)

// The statuses of a delivery (deploy/REFERENCE.md section 3).
const (
	Pending   = "pending"
	Delivered = "delivered"
	Failed    = "failed"
	Cancelled = "cancelled"
)

var (
	// ErrNotFound means that the site has no such webhook or delivery.
	ErrNotFound = errors.New("the site has no such thing")

	// ErrInFlight means that a delivery is being sent at this moment.
	ErrInFlight = errors.New("the delivery is being sent right now")

	// ErrDisabled means that a webhook is disabled, ErrPaused that a person
	// paused it.
	ErrDisabled = errors.New("the webhook is disabled")
	ErrPaused   = errors.New("the webhook is paused")
)

// Delivery is one event on its way to a webhook. Zero values stand for null.
type Delivery struct {
	ID             string
	WebhookID      int64
	Event          event.Type
	Format         event.Format
	Status         string
	Attempts       int
	LastStatusCode int
	LastError      string
	Claimed        bool // A sender has it at this moment.
	NextAttemptAt  time.Time
	InsertedAt     time.Time
	FinishedAt     time.Time
}

// DeliveryDetail is a delivery with what is sent and what came of it.
type DeliveryDetail struct {
	Delivery
	Payload    string
	AttemptLog []Attempt // The oldest first.
}

// Attempt is one request. It is under way while it is not Done.
type Attempt struct {
	Number     int
	StartedAt  time.Time
	Done       bool
	Duration   time.Duration
	StatusCode int // Zero: no answer.
	Error      string
	Excerpt    string // Of the answer.
}

// LogQuery says which deliveries of one webhook are wanted. Site, Webhook and
// Limit are required.
type LogQuery struct {
	Site, Webhook int64
	Status        string     // Empty: any.
	Event         event.Type // Empty: any.
	From, Until   time.Time  // Until is exclusive; zero: unbounded.
	After         string     // A LogPage.Next: what follows that page.
	Limit         int
}

// LogPage is a page of the log, the newest first.
type LogPage struct {
	Deliveries []Delivery
	Next       string // For LogQuery.After; empty: there is nothing older.

	// Partial tells that the page may hold fewer deliveries than there are,
	// since so many were looked at that somebody would have had to wait.
	Partial bool
	Oldest  time.Time // How far it looked, where Partial.
}

// History is the delivery log. Each method is about one site, and knows nothing
// of others: what belongs to them is ErrNotFound or left out.
type History interface {
	// Latest returns the newest deliveries of each webhook, newest first.
	Latest(ctx context.Context, site int64, webhooks []int64, most int) (map[int64][]Delivery, error)
	Log(ctx context.Context, q LogQuery) (LogPage, error)
	Delivery(ctx context.Context, site, webhook int64, id string) (DeliveryDetail, error)
}

// Resender has deliveries of a site's webhook sent again. The errors wrap
// ErrNotFound, ErrInFlight and ErrDisabled.
type Resender interface {
	Resend(ctx context.Context, site, webhook int64, id string) error
	ResendSince(ctx context.Context, site, webhook int64, since time.Time, statuses []string) (int64, error)
}

// Tester queues a webhook.test delivery, rendered in the webhook's format, and
// returns its id. The errors wrap ErrNotFound, ErrPaused and ErrDisabled.
type Tester interface {
	Test(ctx context.Context, site, webhook int64, format event.Format, payload string) (id string, err error)
}

// Backtester tells what a trigger would have done in the past. It reads
// ClickHouse and may take long; it ends with ctx.
type Backtester interface {
	Backtest(ctx context.Context, t Trial) (Outlook, error)
}

// Trial is a trigger that is tried on the past of its site.
type Trial struct {
	Subject store.Subject
	Trigger config.Trigger
	Format  event.Format
	Others  []int // More thresholds, of which only the firings are counted.
	Since   time.Time
	Points  int // Of the series, at most.
}

// Outlook is what a trigger would have done.
type Outlook struct {
	Threshold, WindowSeconds, CooldownSeconds int
	Since, Until                              time.Time
	Rows                                      int // Events read; zero: there was nothing.
	Fired                                     int
	Firings                                   []Firing // By time, ends left out; only the newest of very many.
	Series                                    []Point
	Step                                      time.Duration
	Extreme                                   Point
	Others                                    []Outcome
}

// Firing is an event that would have been sent.
type Firing struct {
	At    time.Time
	Value int
}

// Point is a value of a stretch of time that begins at At.
type Point struct {
	At    time.Time
	Value int
}

// Outcome is how often another threshold would have fired.
type Outcome struct{ Threshold, Fired int }
