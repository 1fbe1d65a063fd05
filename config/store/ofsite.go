package store

import (
	"context"
	"errors"
	"fmt"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"

	"github.com/jackc/pgx/v5"
)

// OfSite returns a store that knows one site and its webhooks only, for whoever
// may edit no other: List, Get, Add, Update, Remove, RotateSecret, Subject and
// About then carry the site's id in every statement, and webhooks of other
// sites, of the whole instance and of the environment are ErrNotFound. The
// domain that Add and Subject take, and List's filter, are ignored.
//
// A site that is gone is an *Invalid about FieldSite. The other methods are the
// operator's and are not narrowed.
func (s *Store) OfSite(id int64) *Store {
	if id <= 0 {
		panic(fmt.Sprintf("store: %d is no site's id", id)) // Zero would be every site.
	}
	narrowed := *s
	narrowed.only = id
	return &narrowed
}

// findSite finds the site by what was entered, or the only one there is.
func (s *Store) findSite(ctx context.Context, tx pgx.Tx, entered string) (site, error) {
	if s.only == 0 {
		return findSite(ctx, tx, entered)
	}
	found := site{id: s.only}
	err := tx.QueryRow(ctx, siteByID, s.only).Scan(&found.domain, &found.team)
	if errors.Is(err, pgx.ErrNoRows) {
		return site{}, invalid(FieldSite, "Plausible no longer has the site")
	}
	if err != nil {
		return site{}, fmt.Errorf("look for site %d: %w", s.only, err)
	}
	return found, nil
}

// Goal is a goal as Plausible's settings list it.
type Goal struct {
	ID   int64
	Name string
}

// About is what Plausible's own settings of a site say, as far as triggers
// refer to it.
type About struct {
	Goals []Goal // In the order in which they were made.

	// Spike and Drop are the thresholds of the site's traffic notifications;
	// zero: it is switched off.
	Spike, Drop int
}

// GoalName returns a goal's name, and false for an id that is none of the
// site's goals'.
func (a About) GoalName(id int64) (string, bool) {
	for _, g := range a.Goals {
		if g.ID == id {
			return g.Name, true
		}
	}
	return "", false
}

// Threshold returns that of the site's own notification of a type; zero: there
// is none.
func (a About) Threshold(t event.Type) int {
	switch t {
	case event.TrafficSpike:
		return a.Spike
	case event.TrafficDrop:
		return a.Drop
	default:
		return 0
	}
}

const notificationsOf = `select coalesce(to_jsonb(n) ->> 'type', 'spike'), threshold from public.spike_notifications n where site_id = $1`

// About reads what Plausible's settings say of the site that OfSite names.
func (s *Store) About(ctx context.Context) (about About, err error) {
	err = s.inTransaction(ctx, "read the settings of a site", func(tx pgx.Tx) error {
		goals, err := goalsOfSite(ctx, tx, s.only)
		if err != nil {
			return err
		}
		for _, g := range goals {
			about.Goals = append(about.Goals, Goal{g.id, g.name})
		}
		rows, err := tx.Query(ctx, notificationsOf, s.only)
		if err != nil {
			return fmt.Errorf("read the notifications of site %d: %w", s.only, err)
		}
		var kind string
		var threshold int
		_, err = pgx.ForEachRow(rows, []any{&kind, &threshold}, func() error {
			switch config.NotificationType(kind) {
			case config.NotifySpike:
				about.Spike = threshold
			case config.NotifyDrop:
				about.Drop = threshold
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read the notifications of site %d: %w", s.only, err)
		}
		return nil
	})
	return about, err
}

// Check holds a webhook against everything that Add would, and stores nothing.
func (s *Store) Check(ctx context.Context, entered NewWebhook) error {
	err := s.inTransaction(ctx, "check a webhook", func(tx pgx.Tx) error {
		trial := *s
		trial.db = within{tx}
		if _, _, err := trial.Add(ctx, entered); err != nil {
			return err
		}
		return errChecked
	})
	if errors.Is(err, errChecked) {
		return nil
	}
	return err
}

var errChecked = errors.New("nothing is wrong")

// within makes a database of a transaction, whose own transactions are
// savepoints.
type within struct{ pgx.Tx }
