package cdc

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5"
)

// purgeAfter is how long a site must have been missing before its webhooks are
// deleted (deploy/REFERENCE.md section 3).
const purgeAfter = 24 * time.Hour

// custodyResult counts webhooks.
type custodyResult struct {
	Missing     int64 // Their site was first missed now.
	Returned    int64 // Their site is back.
	Purged      int64
	Transferred int64 // Disabled because their site went to another team.
}

func (r custodyResult) report(log hclog.Logger) {
	if r.Missing > 0 {
		log.Info("webhooks belong to sites that are gone; they are deleted in 24 hours unless the sites return", "webhooks", r.Missing)
	}
	if r.Returned > 0 {
		log.Info("webhooks are kept: their sites are back", "webhooks", r.Returned)
	}
	if r.Purged > 0 {
		log.Info("deleted webhooks of sites that are gone for 24 hours", "webhooks", r.Purged)
	}
	if r.Transferred > 0 {
		log.Info("disabled webhooks of sites that went to another team", "webhooks", r.Transferred)
	}
}

// A missing site may be one that a restore has not brought back yet. While
// there are no sites at all nothing counts as missing, and the time of those
// that were missed before begins anew.
const (
	noteReturned = `UPDATE plausible_webhooks.webhooks w SET site_missed_at = NULL
		WHERE w.site_missed_at IS NOT NULL
		AND (w.site_id IS NULL
			OR EXISTS (SELECT FROM public.sites s WHERE s.id = w.site_id)
			OR NOT EXISTS (SELECT FROM public.sites))`

	noteMissing = `UPDATE plausible_webhooks.webhooks w SET site_missed_at = $1
		WHERE w.site_missed_at IS NULL AND w.site_id IS NOT NULL
		AND NOT EXISTS (SELECT FROM public.sites s WHERE s.id = w.site_id)
		AND EXISTS (SELECT FROM public.sites)`

	// The statement looks itself: since the mark was set, the site may have
	// come back without anyone noticing.
	purge = `DELETE FROM plausible_webhooks.webhooks w
		WHERE w.site_missed_at <= $1 AND w.site_id IS NOT NULL
		AND NOT EXISTS (SELECT FROM public.sites s WHERE s.id = w.site_id)
		AND EXISTS (SELECT FROM public.sites)`
)

// A webhook remembers the team that owned its site when it was last seen. The
// memory moves on together with the disabling, so that a webhook that a person
// enables again stays so. One that a person paused stays paused, without a
// reason: giving it one would record firings for it.
const (
	rememberTeam = `UPDATE plausible_webhooks.webhooks w SET site_team_id = s.team_id
		FROM public.sites s
		WHERE s.id = w.site_id AND s.team_id IS NOT NULL
		AND (w.site_team_id IS NULL
			OR w.site_team_id <> s.team_id AND NOT w.enabled AND w.disabled_reason IS NULL)`

	disableTransferred = `UPDATE plausible_webhooks.webhooks w
		SET enabled = false, disabled_reason = 'transferred', site_team_id = s.team_id
		FROM public.sites s
		WHERE s.id = w.site_id AND w.site_team_id <> s.team_id
		AND (w.enabled OR w.disabled_reason IS NOT NULL)`

	hasTeams = `SELECT EXISTS (SELECT FROM pg_attribute
		WHERE attrelid = to_regclass('public.sites') AND attname = 'team_id' AND NOT attisdropped)`
)

// serverTime is the time by which the age of missing sites is told: one clock for
// all instances. By their own, one whose clock is a day ahead would delete at
// once what another has just missed.
func serverTime(ctx context.Context, conn *pgx.Conn) (now time.Time, err error) {
	if err := conn.QueryRow(ctx, "SELECT now()").Scan(&now); err != nil {
		return now, fmt.Errorf("ask PostgreSQL for the time: %w", err)
	}
	return now, nil
}

// keepCustody brings the webhooks in step with the sites that own them, as of
// now. Each statement is safe on its own and may be repeated, also by several
// instances at once. Plausible's tables are only read.
func keepCustody(ctx context.Context, conn *pgx.Conn, now time.Time) (result custodyResult, err error) {
	type step struct {
		what, sql string
		args      []any
		count     *int64
	}
	steps := []step{
		{"note which sites are back", noteReturned, nil, &result.Returned},
		{"note which sites are missing", noteMissing, []any{now}, &result.Missing},
		{"delete the webhooks of sites that are gone", purge, []any{now.Add(-purgeAfter)}, &result.Purged},
	}
	var teams bool
	if err := conn.QueryRow(ctx, hasTeams).Scan(&teams); err != nil {
		return result, fmt.Errorf("look for sites.team_id: %w", err)
	}
	if teams { // Plausible has them since v3.0.
		var remembered int64
		steps = append(steps,
			step{"remember the teams of sites", rememberTeam, nil, &remembered},
			step{"disable the webhooks of transferred sites", disableTransferred, nil, &result.Transferred})
	}
	for _, s := range steps {
		tag, err := conn.Exec(ctx, s.sql, s.args...)
		if err != nil {
			return result, fmt.Errorf("%s: %w", s.what, err)
		}
		*s.count = tag.RowsAffected()
	}
	return result, nil
}
