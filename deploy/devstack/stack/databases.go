package stack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// dropTimeout bounds the drop of a database, whose clients are thrown out.
const dropTimeout = 30 * time.Second

// databases remembers what was made in a server.
type databases struct {
	mu        sync.Mutex
	templates map[PlausibleVersion]string
	made      []string // Only of a server that is not ours.
}

// CreateDatabase makes a database with Plausible's tables of a release, or an
// empty one for NoPlausible, and returns its URL. In a server that is not ours
// the name gets a random ending, and Stop drops the database.
func (p *Postgres) CreateDatabase(ctx context.Context, name string, version PlausibleVersion) (string, error) {
	schema, err := version.schema()
	if err != nil {
		return "", fmt.Errorf("create database %s: %w", name, err)
	}
	if p.external {
		return p.createExternal(ctx, name, schema)
	}
	template := ""
	if version != NoPlausible {
		if template, err = p.template(ctx, version, schema); err != nil {
			return "", fmt.Errorf("create database %s: %w", name, err)
		}
	}
	if err := p.create(ctx, name, template); err != nil {
		return "", fmt.Errorf("create database %s: %w", name, err)
	}
	return p.URL(name), nil
}

// HasDatabase tells whether a server that keeps its data has a database
// already.
func (p *Postgres) HasDatabase(ctx context.Context, name string) (bool, error) {
	conn, err := pgx.Connect(ctx, p.URL(""))
	if err != nil {
		return false, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var found bool
	err = conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", name).Scan(&found)
	return found, err
}

// DropDatabase drops a database and throws its clients out, replication
// clients too.
func (p *Postgres) DropDatabase(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, p.URL(""))
	if err != nil {
		return fmt.Errorf("drop database %s: %w", name, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// FORCE does not end an active logical slot, so its client goes first; the
	// second argument waits until it is gone.
	_, err = conn.Exec(ctx, "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = $1", name)
	if err == nil {
		_, err = conn.Exec(ctx, "drop database if exists "+quoted(name)+" with (force)")
	}
	if err != nil {
		return fmt.Errorf("drop database %s: %w", name, err)
	}
	return nil
}

// template returns the database that those of a release are copied from, and
// makes it the first time.
func (p *Postgres) template(ctx context.Context, version PlausibleVersion, schema string) (string, error) {
	p.databases.mu.Lock()
	defer p.databases.mu.Unlock()
	if name, ok := p.databases.templates[version]; ok {
		return name, nil
	}
	name := "devstack_plausible_" + strings.ReplaceAll(string(version), ".", "_")
	// Data that stay between runs may hold a template of older tables.
	if err := p.DropDatabase(ctx, name); err != nil {
		return "", err
	}
	if err := p.create(ctx, name, ""); err != nil {
		return "", err
	}
	if err := applySchema(ctx, p.URL(name), schema); err != nil {
		return "", fmt.Errorf("make the tables of Plausible %s: %w", version, err)
	}
	if p.databases.templates == nil {
		p.databases.templates = make(map[PlausibleVersion]string)
	}
	p.databases.templates[version] = name
	return name, nil
}

func (p *Postgres) create(ctx context.Context, name, template string) error {
	conn, err := pgx.Connect(ctx, p.URL(""))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	statement := "create database " + quoted(name)
	if template != "" {
		statement += " template " + quoted(template)
	}
	_, err = conn.Exec(ctx, statement)
	return err
}

// createExternal makes no template, since nothing but the databases asked for
// should appear in somebody's server.
func (p *Postgres) createExternal(ctx context.Context, name, schema string) (string, error) {
	name = name + "_" + strings.ToLower(rand.Text()[:10])
	if err := p.create(ctx, name, ""); err != nil {
		return "", fmt.Errorf("create database %s: %w", name, err)
	}
	p.databases.mu.Lock()
	p.databases.made = append(p.databases.made, name)
	p.databases.mu.Unlock()
	if err := applySchema(ctx, p.URL(name), schema); err != nil {
		return "", fmt.Errorf("create database %s: %w", name, err)
	}
	return p.URL(name), nil
}

// dropAll drops what was made in a server that is not ours.
func (p *Postgres) dropAll() error {
	p.databases.mu.Lock()
	made := p.databases.made
	p.databases.made = nil
	p.databases.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), dropTimeout)
	defer cancel()
	var errs []error
	for _, name := range made {
		errs = append(errs, p.DropDatabase(ctx, name))
	}
	return errors.Join(errs...)
}

func applySchema(ctx context.Context, url, schema string) error {
	if schema == "" {
		return nil
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, schema)
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }
