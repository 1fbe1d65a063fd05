package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"plausible-webhooks/cdc"
	"plausible-webhooks/config/schema"
	"plausible-webhooks/config/target"

	"github.com/jackc/pgx/v5"
)

// inventory is everything of ours in a database.
type inventory struct {
	Schema      bool         `json:"schema"`
	Tables      []ownTable   `json:"tables"`
	Webhooks    []ownWebhook `json:"webhooks"`
	Views       []string     `json:"views"` // Of others, that read our tables and go with them.
	Publication bool         `json:"publication"`
	Slots       []string     `json:"slots"`
	Role        bool         `json:"role"` // As `migrate --print-role` makes it by default; it stays.
	Removed     bool         `json:"removed"`
	running     runningSidecars
}

type ownTable struct {
	Name  string `json:"name"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"` // With its indexes.
}

type ownWebhook struct {
	ID   int64  `json:"id"`
	Site string `json:"site"` // Empty: of the whole instance.
	Host string `json:"host"`
}

func (i inventory) empty() bool { return !i.Schema && !i.Publication && len(i.Slots) == 0 }

// takeInventory looks at what is there, of whatever version: this program may
// be older than the tables.
func takeInventory(ctx context.Context, conn *pgx.Conn) (found inventory, err error) {
	err = conn.QueryRow(ctx, `select exists (select from pg_namespace where nspname = $1),
		exists (select from pg_publication where pubname = $2),
		array(select slot_name::text from pg_replication_slots where database = current_database() and not temporary and slot_name like 'plausible\_webhooks\_%' order by 1),
		exists (select from pg_roles where rolname = $3)`,
		schema.Name, cdc.Publication, defaultRole).Scan(&found.Schema, &found.Publication, &found.Slots, &found.Role)
	if err != nil {
		return found, fmt.Errorf("look for what is to be removed: %w", err)
	}
	if found.running, err = findSidecars(ctx, conn); err != nil {
		return found, err
	}
	if !found.Schema {
		return found, nil
	}
	if err := found.readTables(ctx, conn); err != nil {
		return found, fmt.Errorf("look for what is to be removed: %w", err)
	}
	return found, nil
}

func (i *inventory) readTables(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `select relname, pg_total_relation_size(oid) from pg_class
		where relnamespace = $1::regnamespace and relkind in ('r', 'p') order by 1`, schema.Name)
	if err != nil {
		return err
	}
	i.Tables, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t ownTable, err error) {
		return t, row.Scan(&t.Name, &t.Bytes)
	})
	if err != nil {
		return err
	}
	webhooks := false
	for n, t := range i.Tables {
		webhooks = webhooks || t.Name == "webhooks"
		if err := conn.QueryRow(ctx, "select count(*) from "+pgx.Identifier{schema.Name, t.Name}.Sanitize()).Scan(&i.Tables[n].Rows); err != nil {
			return err
		}
	}
	err = conn.QueryRow(ctx, `select array(select distinct v.oid::regclass::text from pg_depend d
			join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
			join pg_class v on v.oid = r.ev_class
			join pg_class t on d.refclassid = 'pg_class'::regclass and t.oid = d.refobjid
		where t.relnamespace = $1::regnamespace and v.relnamespace <> t.relnamespace order by 1)`, schema.Name).Scan(&i.Views)
	if err != nil || !webhooks {
		return err
	}
	// Plausible's own tables may be gone by now.
	const withDomain = `select w.id, coalesce(s.domain, case when w.site_id is null then '' else 'site ' || w.site_id end), w.url
		from plausible_webhooks.webhooks w left join public.sites s on s.id = w.site_id order by w.id`
	const withoutDomain = `select id, case when site_id is null then '' else 'site ' || site_id end, url from plausible_webhooks.webhooks order by id`
	if i.Webhooks, err = readOwnWebhooks(ctx, conn, withDomain); err != nil {
		var e error
		if i.Webhooks, e = readOwnWebhooks(ctx, conn, withoutDomain); e != nil {
			return errors.Join(err, e)
		}
	}
	return nil
}

func readOwnWebhooks(ctx context.Context, conn *pgx.Conn, query string) ([]ownWebhook, error) {
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (w ownWebhook, err error) {
		var url string
		err = row.Scan(&w.ID, &w.Site, &url)
		w.Host = target.Display(url)
		return w, err
	})
}

// mostListed bounds what is listed one by one.
const mostListed = 20

func (i inventory) describe(out io.Writer, database string) {
	fmt.Fprintf(out, "Of plausible-webhooks, %s has:\n\n", database)
	rows := [][]string{{"TABLE", "ROWS", "SIZE"}}
	for _, t := range i.Tables {
		rows = append(rows, []string{schema.Name + "." + t.Name, fmt.Sprint(t.Rows), size(t.Bytes)})
	}
	if i.Schema {
		table(out, rows)
		fmt.Fprintln(out)
	}
	for n, w := range i.Webhooks {
		if n == mostListed {
			fmt.Fprintf(out, "and %s more\n", counted(len(i.Webhooks)-n, "webhook", "webhooks"))
			break
		}
		site := w.Site
		if site == "" {
			site = "the whole instance"
		}
		fmt.Fprintf(out, "webhook %d of %s to %s\n", w.ID, oneLine(site), w.Host)
	}
	if i.Publication {
		fmt.Fprintf(out, "publication %s\n", cdc.Publication)
	}
	for _, slot := range i.Slots {
		fmt.Fprintf(out, "replication slot %s, which holds WAL back\n", slot)
	}
	if len(i.Views) > 0 {
		fmt.Fprintf(out, "Others' views read these tables, and go with them: %s\n", strings.Join(i.Views, ", "))
	}
}

// size writes bytes in the unit that people would use.
func size(bytes int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	value, unit := float64(bytes), 0
	for value >= 1024 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	if value >= 10 || unit == 0 {
		return fmt.Sprintf("%.0f %s", value, units[unit])
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}
