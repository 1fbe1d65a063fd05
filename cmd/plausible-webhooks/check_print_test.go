package main

import (
	"bytes"
	"testing"

	"plausible-webhooks/config/env"
)

func TestFindingsAsPeopleSeeThem(t *testing.T) {
	groups := [][]finding{
		{ok("environment", "every variable is understood")},
		{},
		{
			ok("PostgreSQL", "connected to postgres://plausible_db:5432/plausible_db as postgres"),
			warning("wal_level", "replica"+pollingInstead, "in the compose file, give plausible_db: command: postgres -c wal_level=logical\nelsewhere: ALTER SYSTEM SET wal_level = logical; and restart PostgreSQL"),
			failure("Plausible's tables", "missing: public.goals.page\x1b_path", "let Plausible finish its migrations"),
		},
	}
	for name, c := range map[string]struct {
		environ []string
		groups  [][]finding
	}{
		"mixed":       {[]string{"LANG=C.UTF-8"}, groups},
		"mixed_ascii": {nil, groups},
		"good":        {[]string{"LANG=C.UTF-8"}, groups[:1]},
		"warnings":    {[]string{"LANG=C.UTF-8"}, [][]finding{groups[2][:2]}},
		"failures":    {[]string{"LANG=C.UTF-8"}, [][]finding{groups[2][2:]}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			err := checkCommand{}.print(program{stdout: &out, source: env.Source{Environ: c.environ}}, c.groups)
			if bad := name != "good" && name != "warnings"; (err != nil) != bad {
				t.Errorf("the command ends with %v", err)
			}
			golden(t, "check/"+name, out.String())
		})
	}
}
