package prometheus

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// panel is what matters of a panel of Grafana.
type panel struct {
	ID          int    `json:"id"`
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	GridPos     struct{ H, W, X, Y int }
	Datasource  struct{ Type, UID string }
	Targets     []struct {
		RefID, Expr, LegendFormat string
		Datasource                struct{ UID string }
	}
	FieldConfig struct{ Defaults struct{ Unit string } }
}

// The dashboard can be imported, asks for what there is, and every panel says
// what it shows.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("../grafana/plausible-webhooks.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		UID, Title    string
		ID            *int
		SchemaVersion int
		Panels        []panel
		Templating    struct {
			List []struct {
				Name, Type string
			}
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	if dashboard.UID == "" || dashboard.Title == "" || dashboard.SchemaVersion < 36 || dashboard.ID != nil {
		t.Errorf("uid %q, title %q, schema %d, id %v: Grafana wants all of them and no id at an import", dashboard.UID, dashboard.Title, dashboard.SchemaVersion, dashboard.ID)
	}
	variables := map[string]string{}
	for _, v := range dashboard.Templating.List {
		variables[v.Name] = v.Type
	}
	if variables["datasource"] != "datasource" || variables["instance"] != "query" {
		t.Errorf("variables %v, want datasource and instance", variables)
	}
	metrics := exposed(t)
	// Grafana fills these in.
	fill := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*")
	var rows []string
	ids, covered, asked := map[int]bool{}, map[[2]int]string{}, map[string]bool{}
	for _, p := range dashboard.Panels {
		if ids[p.ID] {
			t.Errorf("%s: id %d is another panel's too", p.Title, p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := covered[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s lies over %q or outside", p.Title, other)
				}
				covered[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			rows = append(rows, p.Title)
			continue
		}
		if p.Datasource.UID != "${datasource}" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
			t.Errorf("%s: datasource %q, description %q, unit %q, %d targets", p.Title, p.Datasource.UID, p.Description, p.FieldConfig.Defaults.Unit, len(p.Targets))
		}
		for _, target := range p.Targets {
			if target.Datasource.UID != "${datasource}" {
				t.Errorf("%s asks %q", p.Title, target.Datasource.UID)
			}
			for _, problem := range metrics.check(fill.Replace(target.Expr)) {
				t.Errorf("%s: %s", p.Title, problem)
			}
			for name := range metrics {
				asked[name] = asked[name] || strings.Contains(target.Expr, name)
			}
		}
	}
	if want := []string{"Health", "Settings", "Evaluation", "Queue", "Sending", "Page"}; !slices.Equal(rows, want) {
		t.Errorf("rows %v, want %v", rows, want)
	}
	// What is not worth a panel.
	left := []string{"plausible_webhooks_config_revision", "process_open_fds", "process_start_time_seconds"}
	for name := range metrics {
		if !asked[name] && !slices.Contains(left, name) {
			t.Errorf("no panel shows %s", name)
		}
	}
}
