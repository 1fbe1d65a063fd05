package store_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/store"
	"plausible-webhooks/deploy/devstack/stack"

	"github.com/google/go-cmp/cmp"
)

func TestAddedWebhookReadsBack(t *testing.T) {
	p := newPlace(t)
	p.exec("update public.sites set team_id = null")
	id, shown := p.mustAdd(store.NewWebhook{
		Site: "example.com", Name: " Ops ", URL: "HTTPS://Hooks.Example.com:443/services/T0/secret-path",
		Triggers: []store.TriggerSpec{
			{Type: event.TrafficSpike, Threshold: 100, WindowSeconds: 300, CooldownSeconds: pointer(0), Recovery: true, Once: true},
			{Type: event.GoalCompleted, Goal: "Paid, yearly"},
			{Type: event.GoalCompleted},
			{Type: event.TrafficDrop, Disabled: true},
			{Type: event.GoalThreshold, Goal: "Paid, yearly", Threshold: 100, WindowSeconds: 3600, CooldownSeconds: pointer(60), Recovery: true, Once: true},
			{Type: event.GoalThreshold, Threshold: 1},
		},
	})
	w := p.mustGet(id)
	if w.Domain != "example.com" || w.SiteID != 1 || w.Name != "Ops" || w.URL.Reveal() != hookURL || w.Format != event.Standard ||
		!w.Enabled || w.ManagedBy != "settings" || !w.HasSecret || w.SiteMissing() {
		t.Errorf("webhook reads back as %+v with URL %s", w, w.URL.Reveal())
	}
	want := []string{
		`traffic.spike goal="" threshold=100 window=300 cooldown=0 repeat=false recovery=true enabled=true broken=false`,
		`goal.completed goal="Paid, yearly" threshold=0 window=0 cooldown=default repeat=true recovery=false enabled=true broken=false`,
		`goal.completed goal="" threshold=0 window=0 cooldown=default repeat=true recovery=false enabled=true broken=false`,
		`traffic.drop goal="" threshold=0 window=0 cooldown=default repeat=true recovery=false enabled=false broken=false`,
		`goal.threshold goal="Paid, yearly" threshold=100 window=3600 cooldown=60 repeat=false recovery=true enabled=true broken=false`,
		`goal.threshold goal="" threshold=1 window=0 cooldown=default repeat=true recovery=false enabled=true broken=false`,
	}
	if diff := cmp.Diff(want, describe(w.Triggers)); diff != "" {
		t.Errorf("triggers (-want +got):\n%s", diff)
	}
	if err := secret.Validate(shown); err != nil || !strings.HasPrefix(shown.Reveal(), "whsec_") {
		t.Errorf("made secret: %v; want a valid whsec_ one", err)
	}
	if got := p.opened(id, "secret"); got != shown.Reveal() {
		t.Error("the stored secret is not the one that was shown")
	}
	if strings.Contains(fmt.Sprintf("%+v", w), "secret-path") {
		t.Error("a printed webhook shows its URL's path")
	}
}

func TestSecretOfANewWebhook(t *testing.T) {
	p := newPlace(t)
	given := "a secret of my own making"
	id, shown := p.mustAdd(store.NewWebhook{Secret: secret.New(given)})
	if shown.Reveal() != given || p.opened(id, "secret") != given {
		t.Error("the given secret was not kept")
	}
	id, shown = p.mustAdd(store.NewWebhook{Format: event.Slack})
	if !shown.Empty() || p.mustGet(id).HasSecret {
		t.Error("a chat webhook got a secret that nobody asked for")
	}
	plain := p.with(store.Options{Targets: rules()})
	id, shown = plain.mustAdd(store.NewWebhook{})
	var stored string
	p.scan(&stored, "select secret from plausible_webhooks.webhooks where id = $1", id)
	if stored != shown.Reveal() {
		t.Error("without a key, the secret is not stored as it is")
	}
}

func TestEveryMistakeIsNamedAtOnce(t *testing.T) {
	p := newPlace(t)
	_, _, err := p.Add(t.Context(), store.NewWebhook{
		Site: "exmaple.com", URL: "http://10.0.0.1/x", Name: strings.Repeat("n", 101), Format: "xml", Secret: secret.New("short"),
		Triggers: []store.TriggerSpec{
			{Type: "traffic.surge"},
			{Type: event.TrafficSpike, Goal: "Signup", Threshold: -1, WindowSeconds: 61, CooldownSeconds: pointer(-1)},
			{Type: event.GoalCompleted, Threshold: 5, WindowSeconds: 300, Recovery: true, Once: true},
			{Type: event.GoalCompleted},
			{Type: event.GoalThreshold},
			{Type: event.GoalThreshold, Goal: "Signup", Threshold: -1, WindowSeconds: 61},
		},
	})
	wantFields(t, err, "url", "name", "format", "secret", "triggers[0].type", "triggers[1].goal", "triggers[1].threshold", "triggers[1].window",
		"triggers[1].cooldown", "triggers[2].threshold", "triggers[2].window", "triggers[2].recovery", "triggers[2].once", "triggers[3].type",
		"triggers[4].threshold", "triggers[5].threshold", "triggers[5].window", "site")
	wantText(t, err, `did you mean "example.com"?`, "traffic.spike, traffic.drop, goal.completed, goal.threshold",
		"triggers[1].goal: traffic.spike is about a site's traffic and takes no goal; use goal.completed or goal.threshold",
		"triggers[2].threshold: goal.completed tells of every completion and has none; use goal.threshold",
		"triggers[4].threshold: goal.threshold needs one: how many completions within the window make it fire")
	if strings.Contains(err.Error(), "short") {
		t.Errorf("error %v shows the secret", err)
	}
	if all, err := p.List(t.Context(), store.Filter{}); err != nil || len(all) != 0 {
		t.Errorf("a refused webhook left %d rows (%v); want none", len(all), err)
	}
}

func TestSitesAndGoalsAreFoundByName(t *testing.T) {
	p := newPlace(t)
	tests := []struct {
		name    string
		entered store.NewWebhook
		field   string
		text    string
	}{
		{"as pasted from a browser", store.NewWebhook{Site: " https://Example.com/ "}, "", ""},
		{"a slip in the domain", store.NewWebhook{Site: "shop.exmple.org"}, "site", `did you mean "shop.example.org"?`},
		{"another domain altogether", store.NewWebhook{Site: "zzzzzz.test"}, "site", `it knows "example.com", "shop.example.org"`},
		{"goal in other letters", store.NewWebhook{Site: "example.com", Triggers: []store.TriggerSpec{{Type: event.GoalCompleted, Goal: "signup"}}}, "", ""},
		{"goal by id", store.NewWebhook{Site: "shop.example.org", Triggers: []store.TriggerSpec{{Type: event.GoalCompleted, GoalID: 20}}}, "", ""},
		{"a slip in the goal", store.NewWebhook{Site: "example.com", Triggers: []store.TriggerSpec{{Type: event.GoalCompleted, Goal: "Sigup"}}}, "triggers[0].goal", `did you mean "Signup"?`},
		{"goal of another site", store.NewWebhook{Site: "shop.example.org", Triggers: []store.TriggerSpec{{Type: event.GoalCompleted, Goal: "Signup"}}}, "triggers[0].goal", `it knows "Order"`},
		{"goal id of another site", store.NewWebhook{Site: "shop.example.org", Triggers: []store.TriggerSpec{{Type: event.GoalCompleted, GoalID: 10}}}, "triggers[0].goal", "no goal with id 10"},
		{"goal without a site", store.NewWebhook{Triggers: []store.TriggerSpec{{Type: event.GoalCompleted, Goal: "Signup"}}}, "triggers[0].goal", "instance-wide"},
		{"one goal twice", store.NewWebhook{Site: "example.com", Triggers: []store.TriggerSpec{{Type: event.GoalCompleted, Goal: "Signup"}, {Type: event.GoalCompleted, Goal: "SIGNUP"}}}, "triggers[1].goal", "trigger 1 is about the same goal"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.entered.URL = hookURL
			id, _, err := p.Add(t.Context(), test.entered)
			if test.field != "" {
				wantFields(t, err, test.field)
				wantText(t, err, test.text)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, trigger := range p.mustGet(id).Triggers {
				if trigger.GoalID == 0 || trigger.GoalName == "" || trigger.Broken {
					t.Errorf("trigger %+v; want its goal found", trigger)
				}
			}
		})
	}
}

// The store refuses with a sentence what the database would refuse with the
// name of a constraint.
func TestAGoalThresholdNeedsAThreshold(t *testing.T) {
	p := newPlace(t)
	bare := []store.TriggerSpec{{Type: event.GoalThreshold, Goal: "Signup", WindowSeconds: 300}}
	_, _, err := p.Add(t.Context(), store.NewWebhook{Site: "example.com", URL: hookURL, Triggers: bare})
	wantFields(t, err, "triggers[0].threshold")
	id, _ := p.mustAdd(store.NewWebhook{Site: "example.com", Triggers: []store.TriggerSpec{{Type: event.GoalThreshold, Goal: "Signup", Threshold: 10}}})
	wantFields(t, p.Update(t.Context(), id, store.Changes{Put: bare}), "triggers[0].threshold")
	if err := p.Update(t.Context(), id, store.Changes{Drop: bare}); err != nil {
		t.Errorf("removing a trigger without naming its threshold: %v", err)
	}
	if w := p.mustGet(id); len(w.Triggers) != 0 {
		t.Errorf("triggers %v; want none left", describe(w.Triggers))
	}
}

func TestConsolidatedSitesDoNotExist(t *testing.T) {
	p := newPlace(t)
	p.exec("update public.sites set consolidated = true where id = 2")
	_, _, err := p.Add(t.Context(), store.NewWebhook{Site: "shop.example.org", URL: hookURL})
	wantFields(t, err, "site")
}

func TestLimitOfASiteHoldsAgainstARace(t *testing.T) {
	p := newPlace(t)
	var wait sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wait.Go(func() {
			_, _, errs[i] = p.Add(t.Context(), store.NewWebhook{Site: "example.com", URL: hookURL})
		})
	}
	wait.Wait()
	refused := 0
	for _, err := range errs {
		if err != nil {
			refused++
			wantFields(t, err, "site")
			wantText(t, err, "WEBHOOKS_MAX_PER_SITE", "3")
		}
	}
	if refused != len(errs)-3 {
		t.Errorf("%d of %d were refused; want all but 3", refused, len(errs))
	}
	p.mustAdd(store.NewWebhook{Site: "shop.example.org"}) // Another site has its own places.
	for range 5 {
		p.mustAdd(store.NewWebhook{}) // The instance is no site.
	}
}

func TestLimitOfTriggers(t *testing.T) {
	p := newPlace(t)
	p.exec(`insert into public.goals (id, site_id, event_name, display_name, inserted_at, updated_at)
		select 1000 + n, 1, 'g' || n, 'g' || n, now(), now() from generate_series(1, 101) n`)
	var specs []store.TriggerSpec
	for n := range 101 {
		specs = append(specs, store.TriggerSpec{Type: event.GoalCompleted, GoalID: int64(1001 + n)})
	}
	_, _, err := p.Add(t.Context(), store.NewWebhook{Site: "example.com", URL: hookURL, Triggers: specs})
	wantFields(t, err, "triggers")
	id, _ := p.mustAdd(store.NewWebhook{Site: "example.com", Triggers: specs[:100]})
	wantFields(t, p.Update(t.Context(), id, store.Changes{Put: specs[100:]}), "triggers")
	if err := p.Update(t.Context(), id, store.Changes{Put: specs[100:], Drop: specs[:1]}); err != nil {
		t.Errorf("one for one: %v", err)
	}
}

func TestOlderPlausible(t *testing.T) {
	p := placeOn(t, stack.TestDatabase(t, stack.V21))
	p.exec("insert into public.sites (id, domain, timezone, inserted_at, updated_at) values (1, 'example.com', 'Etc/UTC', now(), now())")
	p.exec(`alter table public.goals drop column if exists display_name, drop column if exists custom_props, drop column if exists scroll_threshold`)
	p.exec("insert into public.goals (id, site_id, event_name, inserted_at, updated_at) values (10, 1, 'Signup', now(), now())")
	p.exec("insert into public.goals (id, site_id, page_path, inserted_at, updated_at) values (11, 1, '/thanks', now(), now())")
	id, _ := p.mustAdd(store.NewWebhook{Site: "example.com", Triggers: []store.TriggerSpec{
		{Type: event.GoalCompleted, Goal: "Signup"}, {Type: event.GoalCompleted, Goal: "Visit /thanks"}}})
	if w := p.mustGet(id); len(w.Triggers) != 2 || w.Triggers[1].GoalID != 11 {
		t.Errorf("triggers %+v; want goals 10 and 11", w.Triggers)
	}
}
