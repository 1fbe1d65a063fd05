package store

import (
	"context"
	"errors"
	"fmt"

	"plausible-webhooks/config"

	"github.com/jackc/pgx/v5"
)

// Update changes a webhook. Mistakes are an *Invalid; other errors are
// ErrNotFound and ErrManagedByEnvironment.
func (s *Store) Update(ctx context.Context, id int64, changes Changes) error {
	var found mistakes
	if changes.URL != nil {
		url := checkURL(*changes.URL, s.targets, &found)
		changes.URL = &url
	}
	if changes.Name != nil {
		name := checkName(*changes.Name, &found)
		changes.Name = &name
	}
	var format *string
	if changes.Format != nil {
		text := string(checkFormat(*changes.Format, &found))
		format = &text
	}
	if changes.TimeoutSeconds != nil {
		checkTimeout(*changes.TimeoutSeconds, &found)
	}
	checkHeaders(changes.PutHeaders, &found)
	checkTriggers(changes.Put, &found)
	return s.inTransaction(ctx, "update a webhook", func(tx pgx.Tx) error {
		of, err := s.editable(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := checkHeadersStay(ctx, tx, id, changes, &found); err != nil {
			return err
		}
		put, err := resolveGoals(ctx, tx, of, changes.Put, &found)
		if err != nil {
			return err
		}
		drop, err := resolveDropped(ctx, tx, of, changes.Drop, &found)
		if err != nil {
			return err
		}
		if err := found.err(); err != nil {
			return err
		}
		// Switching on takes the site's present team for the right one, or the
		// webhook would be found transferred again at once.
		_, err = tx.Exec(ctx, `update plausible_webhooks.webhooks set name = coalesce($2, name), url = coalesce($3, url),
			format = coalesce($4, format), enabled = coalesce($5, enabled),
			timeout_seconds = case when $7::integer is null then timeout_seconds else nullif($7, 0) end,
			disabled_reason = case when $5 is null then disabled_reason end,
			site_team_id = case when $5 and not enabled then nullif($6, 0::bigint) else site_team_id end
			where id = $1`, id, changes.Name, changes.URL, format, changes.Enabled, of.team, changes.TimeoutSeconds)
		if err != nil {
			return fmt.Errorf("update webhook %d: %w", id, err)
		}
		if err := s.changeHeaders(ctx, tx, id, changes, &found); err != nil {
			return err
		}
		if err := dropTriggers(ctx, tx, id, drop, &found); err != nil {
			return err
		}
		return putTriggers(ctx, tx, id, put, &found)
	})
}

// Remove deletes a webhook with its triggers and its log.
func (s *Store) Remove(ctx context.Context, id int64) error {
	return s.inTransaction(ctx, "remove a webhook", func(tx pgx.Tx) error {
		if _, err := s.editable(ctx, tx, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "delete from plausible_webhooks.webhooks where id = $1", id); err != nil {
			return fmt.Errorf("delete webhook %d: %w", id, err)
		}
		return nil
	})
}

// editable locks a webhook's row and tells its site, with id zero for an
// instance-wide one.
func (s *Store) editable(ctx context.Context, tx pgx.Tx, id int64) (site, error) {
	var of site
	var managedBy string
	err := tx.QueryRow(ctx, `select coalesce(w.site_id, 0), managed_by, coalesce(s.domain, ''), coalesce((to_jsonb(s) ->> 'team_id')::bigint, 0)
		from plausible_webhooks.webhooks w left join public.sites s on s.id = w.site_id
		where `+inScope+` and w.id = $3 for update of w`, s.only, config.ManagedByEnvironment, id).Scan(&of.id, &managedBy, &of.domain, &of.team)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return site{}, notFound(id)
	case err != nil:
		return site{}, fmt.Errorf("read webhook %d: %w", id, err)
	case managedBy == config.ManagedByEnvironment:
		return site{}, managed(id)
	}
	return of, nil
}

// resolveDropped fills in the goals of triggers to remove. One of a goal that
// is gone has no name any more and is named by its id.
func resolveDropped(ctx context.Context, tx pgx.Tx, of site, specs []TriggerSpec, found *mistakes) ([]TriggerSpec, error) {
	var named mistakes
	resolved := append([]TriggerSpec(nil), specs...)
	for i, spec := range specs {
		if spec.Goal == "" {
			continue
		}
		one, err := resolveGoals(ctx, tx, of, specs[i:i+1], &named)
		if err != nil {
			return nil, err
		}
		resolved[i] = one[0]
	}
	for _, mistake := range named {
		found.add("drop", "%s", mistake.Message)
	}
	return resolved, nil
}
