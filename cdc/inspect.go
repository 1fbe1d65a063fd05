package cdc

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
)

// PublicationReport is what a person may want to know of the publication.
type PublicationReport struct {
	Exists bool

	// Unusable says why it is not used, and what to do; nil where it can be.
	Unusable *UnavailableError

	// Statement makes or completes it; empty where nothing is missing. Run does
	// so by itself where it may.
	Statement string
	Missing   []string // Tables that it adds.

	// Others are tables that are published besides ours. They do no harm, but
	// each change of them is sent and thrown away.
	Others []string
}

// InspectPublication looks at the publication as Run would, and changes
// nothing. Where a table is missing, the error is a *SchemaError.
func InspectPublication(ctx context.Context, conn *pgx.Conn) (r PublicationReport, err error) {
	state, err := readPublication(ctx, conn)
	if err != nil {
		return r, err
	}
	r.Exists = state.exists
	if r.Statement, err = state.mend(); err != nil && !errors.As(err, &r.Unusable) {
		return r, err
	}
	for _, t := range state.tables {
		if !t.published {
			r.Missing = append(r.Missing, t.name)
		} else if !slices.Contains(followedTables(), t.name) {
			r.Others = append(r.Others, t.name)
		}
	}
	return r, nil
}

// FollowedTables are all tables that are read and followed.
func FollowedTables() []string { return followedTables() }

// PlausibleTables are those of them that are Plausible's.
func PlausibleTables() []string {
	return slices.DeleteFunc(slices.Clone(followedTables()), func(name string) bool {
		return !slices.Contains([]string{sitesTable.qualified(), goalsTable.qualified(), notificationsTable.qualified()}, name)
	})
}
