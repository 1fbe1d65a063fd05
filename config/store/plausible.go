package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Plausible's rows. Columns that came with later versions are read through
// to_jsonb: where they are missing, it yields null instead of an error.
const (
	siteByDomain = `select id, coalesce((to_jsonb(s) ->> 'team_id')::bigint, 0) from public.sites s
		where domain = $1 and (to_jsonb(s) ->> 'consolidated') is distinct from 'true'`
	siteByID = `select domain, coalesce((to_jsonb(s) ->> 'team_id')::bigint, 0) from public.sites s
		where id = $1 and (to_jsonb(s) ->> 'consolidated') is distinct from 'true'`
	allDomains = `select domain from public.sites s
		where (to_jsonb(s) ->> 'consolidated') is distinct from 'true' order by domain`
	goalName = `coalesce(to_jsonb(g) ->> 'display_name', to_jsonb(g) ->> 'event_name', 'Visit ' || (to_jsonb(g) ->> 'page_path'))`
	goalsOf  = `select id, ` + goalName + ` from public.goals g where site_id = $1 order by id`
)

type site struct {
	id, team int64
	domain   string
}

// findSite reads a domain as people paste it: with a scheme, a slash or
// capitals.
func findSite(ctx context.Context, tx pgx.Tx, entered string) (site, error) {
	domain := strings.TrimSpace(entered)
	found := site{domain: domain}
	err := tx.QueryRow(ctx, siteByDomain, domain).Scan(&found.id, &found.team)
	if errors.Is(err, pgx.ErrNoRows) {
		found.domain = plainDomain(domain)
		err = tx.QueryRow(ctx, siteByDomain, found.domain).Scan(&found.id, &found.team)
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return site{}, unknownSite(ctx, tx, found.domain)
	}
	if err != nil {
		return site{}, fmt.Errorf("look for site %s: %w", domain, err)
	}
	return found, nil
}

func plainDomain(entered string) string {
	domain := strings.ToLower(entered)
	if _, rest, ok := strings.Cut(domain, "://"); ok {
		domain = rest
	}
	return strings.TrimSuffix(domain, "/")
}

func unknownSite(ctx context.Context, tx pgx.Tx, domain string) error {
	domains, err := collect[string](ctx, tx, allDomains)
	if err != nil {
		return fmt.Errorf("list sites: %w", err)
	}
	if len(domains) == 0 {
		return invalid(FieldSite, "Plausible has no site %q, nor any other: add it there first", domain)
	}
	return invalid(FieldSite, "Plausible has no site %q%s", domain, didYouMean(domain, domains))
}

type goal struct {
	id   int64
	name string
}

func goalsOfSite(ctx context.Context, tx pgx.Tx, siteID int64) ([]goal, error) {
	rows, err := tx.Query(ctx, goalsOf, siteID)
	if err != nil {
		return nil, fmt.Errorf("list goals: %w", err)
	}
	goals, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (g goal, err error) {
		return g, row.Scan(&g.id, &g.name)
	})
	if err != nil {
		return nil, fmt.Errorf("list goals: %w", err)
	}
	return goals, nil
}

// resolveGoals fills in GoalID from Goal. Site is what the webhook belongs to,
// with id zero for an instance-wide one.
func resolveGoals(ctx context.Context, tx pgx.Tx, of site, specs []TriggerSpec, found *mistakes) ([]TriggerSpec, error) {
	resolved := append([]TriggerSpec(nil), specs...)
	var goals []goal
	for i, spec := range resolved {
		switch {
		case spec.EveryGoal():
			continue
		case of.id == 0:
			found.add(TriggerField(i, "goal"), "an instance-wide webhook has no site whose goals could be named; leave it out to get every goal of every site")
			continue
		}
		if goals == nil {
			var err error
			if goals, err = goalsOfSite(ctx, tx, of.id); err != nil {
				return nil, err
			}
		}
		resolved[i].GoalID = matchGoal(i, spec, of, goals, found)
	}
	return resolved, nil
}

// matchGoal prefers the exact name and takes one that differs in case only.
func matchGoal(i int, spec TriggerSpec, of site, goals []goal, found *mistakes) int64 {
	names := make([]string, len(goals))
	folded := goal{}
	for n, g := range goals {
		names[n] = g.name
		switch {
		case spec.Goal == "" && g.id == spec.GoalID, spec.Goal != "" && g.name == strings.TrimSpace(spec.Goal):
			return g.id
		case spec.Goal != "" && strings.EqualFold(g.name, strings.TrimSpace(spec.Goal)):
			folded = g
		}
	}
	switch {
	case folded.id != 0:
		return folded.id
	case spec.Goal == "":
		found.add(TriggerField(i, "goal"), "%s has no goal with id %d", of.domain, spec.GoalID)
	case len(goals) == 0:
		found.add(TriggerField(i, "goal"), "%s has no goals: add %q in Plausible's site settings first", of.domain, spec.Goal)
	default:
		found.add(TriggerField(i, "goal"), "%s has no goal %q%s", of.domain, spec.Goal, didYouMean(spec.Goal, names))
	}
	return 0
}

func collect[T any](ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[T])
}
