package gate

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Database is a *pgxpool.Pool or a *pgx.Conn on Plausible's database.
type Database interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Site is a site as PostgreSQL has it at the moment.
type Site struct {
	ID       int64
	Domain   string
	Timezone string // IANA name.
}

// The table itself, by its current domain: domain_changed_from belongs to
// whoever takes that domain next. Columns that some version lacks are read
// through to_jsonb.
const siteOfDomain = `select id, domain, coalesce(to_jsonb(s) ->> 'timezone', 'Etc/UTC') from public.sites s
	where domain = $1 and (to_jsonb(s) ->> 'consolidated') is distinct from 'true'`

// site returns the site of exactly this domain, or zero.
func (g *Gate) site(ctx context.Context, domain string) (Site, error) {
	var found Site
	err := g.db.QueryRow(ctx, siteOfDomain, domain).Scan(&found.ID, &found.Domain, &found.Timezone)
	if errors.Is(err, pgx.ErrNoRows) {
		return Site{}, nil
	}
	if err != nil {
		return Site{}, fmt.Errorf("read the site of a page: %w", err)
	}
	if found.Domain != domain {
		return Site{}, nil // A column type that ignores case would find more than was asked for.
	}
	return found, nil
}
