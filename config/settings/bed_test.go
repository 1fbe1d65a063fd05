package settings_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/schema"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/settings"
	"plausible-webhooks/config/store"
	"plausible-webhooks/config/target"
	"plausible-webhooks/deploy/devstack/stack"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/net/html"
)

func TestMain(m *testing.M) { os.Exit(stack.Main(m)) }

const (
	base    = "/example.com%2Fshop/settings/webhooks"
	hookURL = "https://hooks.example.com/services/T0/secret-path"
)

var clock = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// bed is a site with its pages, on a real database, and the other rooms as
// they are faked.
type bed struct {
	t     *testing.T
	pool  *pgxpool.Pool
	pages *settings.Pages
	store *store.Store // Of every site, as the commands have it.
	rooms *rooms
	now   time.Time
	site  settings.Site
}

func newBed(t *testing.T) *bed {
	t.Helper()
	address := stack.TestDatabase(t, stack.V32)
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := schema.Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.New(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	keys, err := secret.NewKeyring(secret.New("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="), secret.Text{})
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{
		t: t, pool: pool, rooms: &rooms{details: map[string]settings.DeliveryDetail{}}, now: clock,
		store: store.New(pool, store.Options{Keys: keys, Targets: target.Rules{AllowedPorts: target.DefaultPorts()}}),
		site:  settings.Site{ID: 1, Domain: "example.com/shop", Timezone: "Europe/Tallinn"},
	}
	b.exec(`insert into public.sites (id, domain, timezone, inserted_at, updated_at) values
		(1, 'example.com/shop', 'Europe/Tallinn', now(), now()), (2, 'other.example.org', 'Etc/UTC', now(), now())`)
	b.exec(`insert into public.goals (id, site_id, event_name, display_name, inserted_at, updated_at) values
		(10, 1, 'Signup', 'Signup', now(), now()), (11, 1, 'Paid', 'Paid <b>yearly</b>', now(), now()), (20, 2, 'Order', 'Order', now(), now())`)
	b.exec("insert into public.spike_notifications (site_id, type, threshold, recipients, inserted_at, updated_at) values (1, 'spike', 40, '{}', now(), now())")
	b.pages = settings.New(settings.Options{
		Store: b.store, History: b.rooms, Resender: b.rooms, Tester: b.rooms, Backtester: b.rooms,
		BaseURL: "https://plausible.example.com", Version: "1.2.3", Timeout: 5 * time.Second, Now: func() time.Time { return b.now },
	})
	return b
}

func (b *bed) exec(sql string, args ...any) {
	b.t.Helper()
	if _, err := b.pool.Exec(b.t.Context(), sql, args...); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
}

// add stores a webhook of a site.
func (b *bed) add(site string, w store.NewWebhook) store.Webhook {
	b.t.Helper()
	w.Site = site
	if w.URL == "" {
		w.URL = hookURL
	}
	id, _, err := b.store.Add(b.t.Context(), w)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.stored(id)
}

func (b *bed) stored(id int64) store.Webhook {
	b.t.Helper()
	w, err := b.store.Get(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return w
}

// page is an answer that was parsed.
type page struct {
	settings.Page
	t   *testing.T
	doc *html.Node
}

func (b *bed) visit(method, path string, form url.Values) page {
	b.t.Helper()
	path, query, _ := strings.Cut(path, "?")
	v := settings.Visit{Site: b.site, Base: base, Form: form}
	if path = strings.Trim(path, "/"); path != "" {
		v.Rest = strings.Split(path, "/")
	}
	var err error
	if v.Query, err = url.ParseQuery(query); err != nil {
		b.t.Fatal(err)
	}
	answer, err := b.pages.Serve(b.t.Context(), v, method)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	doc, err := html.Parse(strings.NewReader("<!doctype html><title>x</title><body>" + string(answer.Body)))
	if err != nil {
		b.t.Fatal(err)
	}
	p := page{answer, b.t, doc}
	p.checkMarkup(method + " " + path)
	return p
}

func (b *bed) get(path string) page { b.t.Helper(); return b.visit(http.MethodGet, path, nil) }

// post sends a form of names and values in turn.
func (b *bed) post(path string, fields ...string) page {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	p := b.visit(http.MethodPost, path, form)
	if refused := strings.Contains(string(p.Body), `class="pw-mistakes" role="alert"`); refused != (p.Status == http.StatusUnprocessableEntity) {
		b.t.Errorf("POST %s: status %d, and it says that something is wrong: %v", path, p.Status, refused)
	}
	return p
}

// all returns the elements that fit.
func (p page) all(fits func(*html.Node) bool) (found []*html.Node) {
	for n := range p.doc.Descendants() {
		if n.Type == html.ElementNode && fits(n) {
			found = append(found, n)
		}
	}
	return found
}

// named returns the fields of a name.
func (p page) named(name string) *html.Node {
	p.t.Helper()
	found := p.all(func(n *html.Node) bool { return attr(n, "name") == name })
	if len(found) == 0 {
		p.t.Fatalf("no field %q on %q", name, p.Title)
	}
	return found[0]
}

func (p page) byID(id string) *html.Node {
	for _, n := range p.all(func(n *html.Node) bool { return attr(n, "id") == id }) {
		return n
	}
	return nil
}

// text is what a person reads, with single spaces.
func (p page) text() string { return text(p.doc) }

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && d.Parent.Data != "script" && (d.Parent.Data != "title" || d.Parent.Namespace != "") {
			b.WriteString(d.Data)
		}
		if d.Type == html.ElementNode && d.Data != "a" && d.Data != "span" && d.Data != "code" && d.Data != "strong" && d.Data != "time" {
			b.WriteString(" ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func (p page) wantText(want ...string) {
	p.t.Helper()
	for _, w := range want {
		if !strings.Contains(p.text(), w) {
			p.t.Errorf("%q says\n\t%s\nwant %q in it", p.Title, p.text(), w)
		}
	}
}

func (p page) wantNothingOf(unwanted ...string) {
	p.t.Helper()
	for _, u := range unwanted {
		if strings.Contains(string(p.Body)+p.Title+p.GoTo, u) {
			p.t.Errorf("%q shows %q", p.Title, u)
		}
	}
}

func (p page) wantStatus(want int) {
	p.t.Helper()
	if got := max(p.Status, http.StatusOK); got != want {
		p.t.Errorf("%q has status %d, want %d", p.Title, got, want)
	}
}

// wantGoTo checks for an answer that leads to a path under the overview.
func (p page) wantGoTo(path string) {
	p.t.Helper()
	if p.GoTo != base+path {
		p.t.Errorf("goes to %q, want %q; the page says %s", p.GoTo, base+path, p.text())
	}
}

// wantWrong checks that a field is marked, and says what is wrong beside it.
func (p page) wantWrong(name, message string) {
	p.t.Helper()
	n := p.named(name)
	if attr(n, "aria-invalid") != "true" {
		p.t.Errorf("field %q is not marked as wrong: %s", name, p.text())
		return
	}
	for id := range strings.FieldsSeq(attr(n, "aria-describedby")) {
		if d := p.byID(id); d != nil && strings.Contains(text(d), message) {
			return
		}
	}
	p.t.Errorf("field %q is not described by %q: %s", name, message, p.text())
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

// rooms fakes the other rooms. They are asked about site 1 only, or the test
// fails with what they return for others: nothing.
type rooms struct {
	latest   map[int64][]settings.Delivery
	log      settings.LogPage
	asked    settings.LogQuery
	details  map[string]settings.DeliveryDetail
	tests    []string // Payloads.
	refuse   error
	resent   []string
	count    int64
	trials   []settings.Trial
	outlook  settings.Outlook
	backtest func(context.Context) error
}

func (r *rooms) Latest(_ context.Context, site int64, webhooks []int64, most int) (map[int64][]settings.Delivery, error) {
	found := map[int64][]settings.Delivery{}
	for _, id := range webhooks {
		if list := r.latest[id]; site == 1 && len(list) > 0 {
			found[id] = list[:min(len(list), most)]
		}
	}
	return found, nil
}

func (r *rooms) Log(_ context.Context, q settings.LogQuery) (settings.LogPage, error) {
	r.asked = q
	return r.log, nil
}

func (r *rooms) Delivery(_ context.Context, site, webhook int64, id string) (settings.DeliveryDetail, error) {
	d, ok := r.details[id]
	if !ok || site != 1 || d.WebhookID != webhook {
		return settings.DeliveryDetail{}, settings.ErrNotFound
	}
	return d, nil
}

func (r *rooms) Resend(_ context.Context, site, webhook int64, id string) error {
	if d, ok := r.details[id]; !ok || site != 1 || d.WebhookID != webhook {
		return settings.ErrNotFound
	}
	if r.refuse != nil {
		return r.refuse
	}
	r.resent = append(r.resent, id)
	return nil
}

func (r *rooms) ResendSince(_ context.Context, _, _ int64, since time.Time, statuses []string) (int64, error) {
	r.resent = append(r.resent, since.Format(time.RFC3339)+" "+strings.Join(statuses, ","))
	return r.count, r.refuse
}

func (r *rooms) Test(_ context.Context, site, webhook int64, _ event.Format, payload string) (string, error) {
	if r.refuse != nil {
		return "", r.refuse
	}
	r.tests = append(r.tests, payload)
	return "0199a1b2-0000-7000-8000-000000000001", nil
}

func (r *rooms) Backtest(ctx context.Context, t settings.Trial) (settings.Outlook, error) {
	r.trials = append(r.trials, t)
	if r.backtest != nil {
		if err := r.backtest(ctx); err != nil {
			return settings.Outlook{}, err
		}
	}
	return r.outlook, nil
}

var settingsSite2 = settings.Site{ID: 2, Domain: "other.example.org", Timezone: "Etc/UTC"}

func itoa(id int64) string { return strconv.FormatInt(id, 10) }
