package server_test

import (
	"net/http"
	"strings"
	"testing"

	"plausible-webhooks/deploy/devstack/plausible"
	"plausible-webhooks/deploy/devstack/stack"
)

// somebodyElse has a team and, with a domain, a site.
func (w *world) somebodyElse(email, domain string) (account plausible.Account, site int64, b *browser) {
	w.t.Helper()
	account, err := plausible.AddAccount(w.t.Context(), w.db, email, password)
	if err != nil {
		w.t.Fatal(err)
	}
	if domain != "" {
		if site, err = account.AddSite(w.t.Context(), w.db, stack.Site{Domain: domain}); err != nil {
			w.t.Fatal(err)
		}
	}
	return account, site, w.signedIn(email)
}

// wantNoneOf fails unless every page below a site's is without a trace of
// somebody's webhook, and their ids lead nowhere.
func (w *world) wantNoneOf(b *browser, base, name string, o owned) {
	w.t.Helper()
	for _, route := range routes {
		got := b.do(b.request(route.method, w.address+base+filled(route.path, o.webhook, o.trigger, o.delivery), formFor(route.method)))
		if strings.Contains(got.body, name) || strings.Contains(got.body, "77777") {
			w.t.Errorf("%s %s shows what is somebody else's:\n%.1500s", route.method, route.path, got.body)
		}
		if strings.HasPrefix(route.path, "/{webhook}") && got.status != http.StatusNotFound {
			w.t.Errorf("%s %s of somebody else = %d; want 404", route.method, route.path, got.status)
		}
	}
}

// A site moves to another domain, and another team registers the one that it
// gave up: webhooks stay with their site.
func TestDomainThatIsTakenOverBringsNoWebhooks(t *testing.T) {
	w := newWorld(t, withRealPages)
	o := w.owns(w.site, "warehouse")
	w.exec(`update sites set domain = 'moved.example'`)
	_, _, theirs := w.somebodyElse("b@example.com", domain)
	before := w.everything()
	if got := theirs.get(page); got.status != http.StatusOK || !strings.Contains(got.body, "Add your first webhook") {
		t.Errorf("the page of the domain's new owner = %d; want one without webhooks:\n%.1500s", got.status, got.body)
	}
	w.wantNoneOf(theirs, page, "warehouse", o)
	if after := w.everything(); after != before {
		t.Errorf("something was changed from\n%s\nto\n%s", before, after)
	}
	ours := w.ownerBrowser()
	if got := ours.get("/moved.example/settings/webhooks"); got.status != http.StatusOK || !strings.Contains(got.body, "warehouse") {
		t.Errorf("the page of the site that moved = %d; want its webhook:\n%.1500s", got.status, got.body)
	}
	if got := ours.get(page); got.status != http.StatusNotFound || strings.Contains(got.body, "Add your first webhook") {
		t.Errorf("the former domain = %d to its former owner; want Plausible's 404", got.status)
	}
}

// Who may open the page after a transfer is the new team, at once.
func TestTransferredSiteIsTheNewTeams(t *testing.T) {
	w := newWorld(t, withRealPages)
	o := w.owns(w.site, "warehouse")
	ours := w.ownerBrowser()
	other, _, theirs := w.somebodyElse("b@example.com", "")
	w.wantNoneOf(theirs, page, "warehouse", o)
	w.exec(`update sites set team_id = $1`, other.TeamID)
	before := w.everything()
	w.wantNoneOf(ours, page, "warehouse", o)
	if after := w.everything(); after != before {
		t.Errorf("the former owner has changed\n%s\nto\n%s", before, after)
	}
	if got := theirs.get(page); got.status != http.StatusOK || !strings.Contains(got.body, "warehouse") {
		t.Errorf("the page = %d to the new team; want its webhook, to be looked at and removed", got.status)
	}
}

// A site whose team was deleted has no one who may set anything.
func TestSiteWithoutATeamOpensForNobody(t *testing.T) {
	w := newWorld(t, withRealPages)
	o := w.owns(w.site, "warehouse")
	b := w.ownerBrowser()
	w.exec(`update sites set team_id = null, public = true`)
	before := w.everything()
	w.wantNoneOf(b, page, "warehouse", o)
	if after := w.everything(); after != before {
		t.Errorf("something was changed from\n%s\nto\n%s", before, after)
	}
}

// Plain SQL can point a trigger at another site's goal.
func TestGoalOfAnotherSiteIsNotNamed(t *testing.T) {
	w := newWorld(t, withRealPages)
	_, site, _ := w.somebodyElse("b@example.com", "victim.example")
	goal, err := stack.AddGoal(t.Context(), w.db, site, stack.Goal{EventName: "warehouse-goal"})
	if err != nil {
		t.Fatal(err)
	}
	o := w.owns(w.site, "own")
	w.exec(`update plausible_webhooks.webhook_triggers set type = 'goal.completed', threshold = null, goal_id = $1`, goal)
	b := w.ownerBrowser()
	for _, route := range routes {
		if route.method != http.MethodGet {
			continue
		}
		for _, query := range []string{"", "?show=1", "?type=goal.completed"} {
			if got := b.get(page + filled(route.path, o.webhook, o.trigger, o.delivery) + query); strings.Contains(got.body, "warehouse") {
				t.Errorf("GET %s%s names the goal of another site:\n%.1500s", route.path, query, got.body)
			}
		}
	}
	if got := b.get(page + filled("/{webhook}", o.webhook, 0, "")); !strings.Contains(got.body, "belongs to another site") {
		t.Errorf("the webhook's page does not tell that the trigger is broken:\n%.3000s", got.body)
	}
}

// Since v3.0 Plausible goes by teams, and leaves the table of before as it was.
func TestMembershipsOfBeforeTeamsOpenNothing(t *testing.T) {
	w := newWorld(t, withRealPages)
	o := w.owns(w.site, "warehouse")
	former, _, b := w.somebodyElse("b@example.com", "")
	if _, err := stack.AddSiteMember(t.Context(), w.db, w.site, former.UserID, "owner"); err != nil {
		t.Fatal(err)
	}
	before := w.everything()
	w.wantNoneOf(b, page, "warehouse", o)
	if after := w.everything(); after != before {
		t.Errorf("something was changed from\n%s\nto\n%s", before, after)
	}
}
