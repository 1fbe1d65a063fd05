package cdc

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Publication is the name of the publication that we create or accept.
const Publication = "plausible_webhooks"

// publicationSQL is what the owner of the tables runs where we may not.
func publicationSQL() string {
	return "CREATE PUBLICATION " + Publication + " FOR TABLE " + strings.Join(followedTables(), ", ")
}

// publishedTable is a table as the server would replicate it.
type publishedTable struct {
	name      string
	published bool
	columns   bool   // Only some columns are published.
	filtered  bool   // Only some rows are published.
	identity  string // pg_class.relreplident: d(efault), n(othing), f(ull), i(ndex).
	key       string // Columns of the primary key, comma-separated; empty: none.
}

// publicationState is everything about the publication that matters.
type publicationState struct {
	exists    bool
	allTables bool
	schemas   bool // Publishes whole schemas.
	complete  bool // Publishes inserts, updates, deletes and truncates.
	tables    []publishedTable
}

// ensurePublication makes sure that all our tables are published, harmlessly.
// It tells whether it had to change something, for then a running stream may
// lack changes.
func ensurePublication(ctx context.Context, conn *pgx.Conn) (changed bool, err error) {
	// A second round settles a race with another instance that makes the same.
	for round := 1; ; round++ {
		state, err := readPublication(ctx, conn)
		if err != nil {
			return false, err
		}
		statement, err := state.mend()
		if err != nil || statement == "" {
			return round > 1 && err == nil, err
		}
		if _, err := conn.Exec(ctx, statement); err != nil {
			if round == 1 && hasCode(err, "42710") { // It exists by now.
				continue
			}
			return false, cannotPublish(statement, err)
		}
		if round > 1 {
			return true, nil
		}
	}
}

func cannotPublish(statement string, err error) error {
	switch {
	case hasCode(err, "42501"):
		return &UnavailableError{
			Reason: "the role of DATABASE_URL may not publish Plausible's tables",
			Remedy: "run as their owner: " + statement + ";",
			Err:    err,
		}
	case hasCode(err, lockNotAvailable):
		return fmt.Errorf("publish the tables: one of them is locked by another transaction: %w", err)
	}
	return fmt.Errorf("publish the tables (%s): %w", statement, err)
}

// mend returns the statement that completes the publication, none if it is
// complete, or why it must not be used. A wrong publication makes the
// statements of Plausible itself fail: a published table without a replica
// identity refuses updates and deletes, one with a column list or a row filter
// refuses them or refuses migrations.
func (p publicationState) mend() (statement string, err error) {
	endangers := func(what, remedy string) (string, error) {
		err := harmful(what, remedy)
		err.Endangers = true
		return "", err
	}
	recreate := "DROP PUBLICATION " + Publication + "; " + publicationSQL() + ";"
	switch {
	case p.allTables:
		return endangers("publishes all tables, and those without a primary key refuse updates", recreate)
	case p.schemas:
		return endangers("publishes whole schemas, and tables without a primary key in them refuse updates", recreate)
	case p.exists && !p.complete:
		return "", harmful("leaves out some operations",
			"ALTER PUBLICATION "+Publication+" SET (publish = 'insert, update, delete, truncate');")
	}
	var missing []string
	for _, t := range p.tables {
		ours := slices.Contains(followedTables(), t.name)
		switch {
		case t.columns:
			return endangers("has a column list for "+t.name, recreate)
		case t.filtered:
			return endangers("has a row filter for "+t.name, recreate)
		case ours && t.key != "id":
			return "", &UnavailableError{
				Reason: fmt.Sprintf("table %s has no primary key on id, without which publishing it would make its updates fail", t.name),
				Remedy: "restore its primary key: ALTER TABLE " + t.name + " ADD PRIMARY KEY (id);", Endangers: t.published,
			}
		case ours && t.identity != "d" && t.identity != "f":
			return "", &UnavailableError{
				Reason: fmt.Sprintf("table %s has a replica identity other than its primary key", t.name),
				Remedy: "ALTER TABLE " + t.name + " REPLICA IDENTITY DEFAULT;", Endangers: t.published,
			}
		case !ours && (t.identity == "n" || t.identity == "d" && t.key == ""):
			return endangers("publishes "+t.name+", whose updates fail for want of a replica identity",
				"ALTER PUBLICATION "+Publication+" DROP TABLE "+t.name+";")
		case ours && !t.published:
			missing = append(missing, t.name)
		}
	}
	switch {
	case !p.exists:
		return publicationSQL(), nil
	case len(missing) > 0:
		return "ALTER PUBLICATION " + Publication + " ADD TABLE " + strings.Join(missing, ", "), nil
	}
	return "", nil
}

func harmful(what, remedy string) *UnavailableError {
	return &UnavailableError{Reason: "the publication " + Publication + " " + what, Remedy: "run: " + remedy}
}

func readPublication(ctx context.Context, conn *pgx.Conn) (publicationState, error) {
	var p publicationState
	err := conn.QueryRow(ctx, `SELECT puballtables,
			pubinsert AND pubupdate AND pubdelete AND pubtruncate,
			EXISTS (SELECT FROM pg_publication_namespace n WHERE n.pnpubid = p.oid)
		FROM pg_publication p WHERE pubname = $1`, Publication).Scan(&p.allTables, &p.complete, &p.schemas)
	switch {
	case err == nil:
		p.exists = true
	case err != pgx.ErrNoRows:
		return p, fmt.Errorf("read the publication %s: %w", Publication, err)
	}
	rows, err := conn.Query(ctx, `SELECT n.nspname || '.' || c.relname, r.oid IS NOT NULL,
			r.prattrs IS NOT NULL, r.prqual IS NOT NULL, c.relreplident::text,
			coalesce((SELECT string_agg(a.attname, ',' ORDER BY a.attnum)
				FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
				WHERE i.indrelid = c.oid AND i.indisprimary), '')
		FROM pg_class c
		JOIN pg_namespace n ON n.oid = c.relnamespace
		LEFT JOIN (pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid AND p.pubname = $1)
			ON r.prrelid = c.oid
		WHERE c.relkind IN ('r', 'p') AND (r.oid IS NOT NULL OR n.nspname || '.' || c.relname = ANY ($2))
		ORDER BY 1`, Publication, followedTables())
	if err != nil {
		return p, fmt.Errorf("read the tables of the publication %s: %w", Publication, err)
	}
	p.tables, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t publishedTable, err error) {
		err = row.Scan(&t.name, &t.published, &t.columns, &t.filtered, &t.identity, &t.key)
		return t, err
	})
	if err != nil {
		return p, fmt.Errorf("read the tables of the publication %s: %w", Publication, err)
	}
	for _, name := range followedTables() {
		if !slices.ContainsFunc(p.tables, func(t publishedTable) bool { return t.name == name }) {
			return p, &SchemaError{Table: name}
		}
	}
	return p, nil
}
