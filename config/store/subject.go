package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"

	"github.com/jackc/pgx/v5"
)

// Subject is what a trigger would be about.
type Subject struct {
	Site config.Site
	Goal *config.Goal // Nil where the spec names none.

	// Threshold is that of the site's own traffic notification, which a trigger
	// of traffic without one takes; zero: it has none.
	Threshold int
}

const (
	siteColumns = `select domain, coalesce(to_jsonb(s) ->> 'timezone', 'Etc/UTC'), (to_jsonb(s) ->> 'native_stats_start_at')::timestamp
		from public.sites s where id = $1`
	// Values of properties that are no strings match by their text.
	goalColumns = `select site_id, ` + goalName + `, coalesce(to_jsonb(g) ->> 'event_name', ''), coalesce(to_jsonb(g) ->> 'page_path', ''),
		coalesce((to_jsonb(g) ->> 'scroll_threshold')::int, $2), coalesce((select jsonb_object_agg(key, value)
			from jsonb_each_text(case jsonb_typeof(to_jsonb(g) -> 'custom_props') when 'object' then to_jsonb(g) -> 'custom_props' end)), '{}'), inserted_at, updated_at
		from public.goals g where id = $1`
	thresholdOf = `select threshold from public.spike_notifications n
		where site_id = $1 and coalesce(to_jsonb(n) ->> 'type', 'spike') = $2 limit 1`
)

// Subject finds the site and the goal of a trigger that is not stored, by the
// names that Add takes. Mistakes are an *Invalid, whose fields are FieldSite and
// those of the trigger without its number: "type", "goal", "threshold" and so
// on. It reads Plausible's own tables only.
func (s *Store) Subject(ctx context.Context, domain string, spec TriggerSpec) (found Subject, err error) {
	err = s.inTransaction(ctx, "look for what a trigger would be about", func(tx pgx.Tx) error {
		var wrong mistakes
		checkTriggers([]TriggerSpec{spec}, &wrong)
		of, err := s.findSite(ctx, tx, domain)
		if invalid, ok := err.(*Invalid); ok {
			wrong = append(wrong, invalid.Fields...)
		} else if err != nil {
			return err
		} else if spec, err = resolveGoal(ctx, tx, of, spec, &wrong); err != nil {
			return err
		}
		if err := wrong.err(); err != nil {
			return err
		}
		found, err = readSubject(ctx, tx, of.id, spec)
		return err
	})
	if invalid, ok := errors.AsType[*Invalid](err); ok {
		for i, field := range invalid.Fields {
			invalid.Fields[i].Field = strings.TrimPrefix(field.Field, TriggerField(0, ""))
		}
	}
	return found, err
}

func resolveGoal(ctx context.Context, tx pgx.Tx, of site, spec TriggerSpec, wrong *mistakes) (TriggerSpec, error) {
	resolved, err := resolveGoals(ctx, tx, of, []TriggerSpec{spec}, wrong)
	if err != nil {
		return spec, err
	}
	return resolved[0], nil
}

func readSubject(ctx context.Context, tx pgx.Tx, site int64, spec TriggerSpec) (Subject, error) {
	found := Subject{Site: config.Site{ID: site}}
	var native *time.Time
	if err := tx.QueryRow(ctx, siteColumns, site).Scan(&found.Site.Domain, &found.Site.Timezone, &native); err != nil {
		return Subject{}, fmt.Errorf("read site %d: %w", site, err)
	}
	found.Site.NativeStatsStartAt = orZero(native)
	if spec.GoalID != 0 {
		g := config.Goal{ID: spec.GoalID}
		var props []byte
		err := tx.QueryRow(ctx, goalColumns, g.ID, config.NoScrollThreshold).
			Scan(&g.SiteID, &g.DisplayName, &g.EventName, &g.PagePath, &g.ScrollThreshold, &props, &g.InsertedAt, &g.UpdatedAt)
		if err == nil {
			err = json.Unmarshal(props, &g.CustomProps)
		}
		if err != nil {
			return Subject{}, fmt.Errorf("read goal %d: %w", g.ID, err)
		}
		found.Goal = &g
	}
	notification := config.NotifySpike
	switch spec.Type {
	case event.TrafficSpike:
	case event.TrafficDrop:
		notification = config.NotifyDrop
	default:
		return found, nil
	}
	err := tx.QueryRow(ctx, thresholdOf, site, string(notification)).Scan(&found.Threshold)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return Subject{}, fmt.Errorf("read the %s notification of %s: %w", notification, found.Site.Domain, err)
	}
	return found, nil
}
