package cdc

import (
	"errors"
	"slices"
	"testing"

	"plausible-webhooks/deploy/devstack/stack"
)

func TestInspectionTellsHarmFromDelay(t *testing.T) {
	for name, c := range map[string]struct {
		before                         string
		statement, unusable, endangers bool
		others                         []string
	}{
		"none":                   {before: "select 1", statement: true},
		"complete":               {before: publicationSQL()},
		"one of users, too":      {before: publicationSQL() + ", public.users", others: []string{"public.users"}},
		"some tables":            {before: "create publication plausible_webhooks for table sites", statement: true},
		"all tables":             {before: "create publication plausible_webhooks for all tables", unusable: true, endangers: true},
		"a column list":          {before: "create publication plausible_webhooks for table sites (id)", unusable: true, endangers: true},
		"inserts only":           {before: "create publication plausible_webhooks with (publish = 'insert')", unusable: true},
		"our table, no identity": {before: "alter table goals replica identity nothing", unusable: true},
		"published without one":  {before: publicationSQL() + "; alter table goals replica identity nothing", unusable: true, endangers: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, stack.V32)
			w.exec(c.before)
			got, err := InspectPublication(t.Context(), w.db)
			if err != nil {
				t.Fatal(err)
			}
			if (got.Statement != "") != c.statement || (got.Unusable != nil) != c.unusable || !slices.Equal(got.Others, c.others) {
				t.Errorf("inspection %+v; want %+v", got, c)
			}
			if got.Unusable != nil && got.Unusable.Endangers != c.endangers {
				t.Errorf("%v endangers Plausible: %v; want %v", got.Unusable, got.Unusable.Endangers, c.endangers)
			}
		})
	}
	w := newWorld(t, stack.V32)
	w.exec("drop table goals cascade")
	var missing *SchemaError
	if _, err := InspectPublication(t.Context(), w.db); !errors.As(err, &missing) || missing.Table != "public.goals" {
		t.Errorf("without goals: %v; want the name of the table", err)
	}
	if got := PlausibleTables(); !slices.Equal(got, []string{"public.sites", "public.goals", "public.spike_notifications"}) {
		t.Errorf("Plausible's tables are %v", got)
	}
}
