package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"plausible-webhooks/deploy/devstack/plausible"
	"plausible-webhooks/deploy/devstack/receiver"
)

// wanted is what must have arrived, with a good signature, for the story to be
// told: each event at two webhooks.
var wanted = []string{
	"/everything traffic.drop", "/quiet traffic.drop",
	"/everything traffic.spike", "/ops traffic.spike",
	"/everything goal.completed", "/ops goal.completed",
}

// play tells the story. It ends when everything wanted has arrived and stands
// in the log as delivered.
func (s *set) play(ctx context.Context) error {
	if err := s.addOpsWebhook(ctx); err != nil {
		return err
	}
	if err := s.addQuietWebhook(ctx); err != nil {
		return err
	}
	if err := s.hackerNews(ctx); err != nil {
		return err
	}
	if err := s.await(ctx); err != nil {
		return err
	}
	return s.awaitRecords(ctx)
}

// addOpsWebhook adds a webhook as an operator does, whose receiver fails once.
func (s *set) addOpsWebhook(ctx context.Context) error {
	s.receiver.Behave("/ops", receiver.Must("fail:1:503"))
	s.tell.say("demo", "$ plausible-webhooks webhook add --site shop.example --name Ops --trigger traffic.spike --trigger goal.completed,goal=Signup …")
	out, err := s.sidecar.Command(ctx, "webhook", "add", "--json", "--site", "shop.example", "--name", "Ops",
		"--url", s.receiver.URL("/ops"), "--trigger", "traffic.spike", "--trigger", "goal.completed,goal=Signup")
	if err != nil {
		return err
	}
	var added struct {
		ID     int64  `json:"id"`
		Secret string `json:"secret"`
	}
	if err := json.Unmarshal([]byte(out), &added); err != nil {
		return fmt.Errorf("read what webhook add printed: %w", err)
	}
	s.receipts.know("/ops", added.Secret)
	s.tell.say("demo", "webhook %d added; its receiver will fail once, to show a retry", added.ID)
	return nil
}

// addQuietWebhook adds one with plain SQL, as any program may.
func (s *set) addQuietWebhook(ctx context.Context) error {
	s.receipts.know("/quiet", quietSecret)
	s.tell.say("demo", "sql> insert into plausible_webhooks.webhooks … and a traffic.drop trigger for quiet.example")
	_, err := s.db.Exec(ctx, `with hook as (
			insert into plausible_webhooks.webhooks (site_id, name, url, secret) values ($1, 'Quiet', $2, $3) returning id)
		insert into plausible_webhooks.webhook_triggers (webhook_id, type) select id, 'traffic.drop' from hook`,
		s.sites["quiet.example"], s.receiver.URL("/quiet"), quietSecret)
	if err != nil {
		return fmt.Errorf("insert a webhook with SQL: %w", err)
	}
	return nil
}

// hackerNews sends visitors to shop.example, some of whom sign up. They come
// in the second after the triggers were made, which count from then on.
func (s *set) hackerNews(ctx context.Context) error {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	s.tell.say("visitors", "45 people come to shop.example/blog/launch from Hacker News, 3 of them sign up")
	for i := range 45 {
		visitor := fmt.Sprintf("hn-%d", i)
		visits := []plausible.Visit{{Visitor: visitor, Domain: "shop.example", Path: "/blog/launch", Referrer: "https://news.ycombinator.com/item?id=1"}}
		if i < 3 {
			visits = append(visits, plausible.Visit{Visitor: visitor, Domain: "shop.example", Path: "/register", Name: "Signup", Props: map[string]string{"plan": "free"}})
		}
		for _, visit := range visits {
			if err := visit.Send(ctx, s.front.URL()); err != nil {
				return err
			}
		}
	}
	s.tell.say("plausible", "holds the events in its write buffer for up to 5 s, as it always does")
	return nil
}

// await returns when everything wanted has arrived.
func (s *set) await(ctx context.Context) error {
	for {
		left, changed := s.receipts.missing(wanted)
		if len(left) == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-s.sidecar.Exited():
			return fmt.Errorf("the sidecar ended in the middle of the story")
		case <-ctx.Done():
			return fmt.Errorf("these never arrived with a good signature: %s", strings.Join(left, ", "))
		}
	}
}

// awaitRecords returns when nothing is pending any more: the receiver has an
// event a moment before its record says so.
func (s *set) awaitRecords(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		var pending int
		if err := s.db.QueryRow(ctx, `select count(*) from plausible_webhooks.webhook_deliveries where status = 'pending'`).Scan(&pending); err != nil {
			return fmt.Errorf("count pending deliveries: %w", err)
		}
		if pending == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d deliveries are still pending", pending)
		}
	}
}

// summary shows the log as the sidecar's own command prints it, and fails if
// anything went wrong.
func (s *set) summary(ctx context.Context) error {
	out, err := s.sidecar.Command(ctx, "delivery", "list")
	if err != nil {
		return err
	}
	s.tell.print("\n$ plausible-webhooks delivery list\n" + out)
	var delivered, attempts int
	if err := s.db.QueryRow(ctx, `select count(*) filter (where status = 'delivered'), coalesce(sum(attempts), 0)
		from plausible_webhooks.webhook_deliveries`).Scan(&delivered, &attempts); err != nil {
		return fmt.Errorf("count deliveries: %w", err)
	}
	s.receipts.mu.Lock()
	bad := s.receipts.bad
	s.receipts.mu.Unlock()
	if bad > 0 {
		return fmt.Errorf("%d requests had a bad signature", bad)
	}
	s.tell.say("demo", "%d deliveries in %d attempts, every signature verified", delivered, attempts)
	return nil
}

// invite says what can be played with.
func (s *set) invite() {
	s.tell.print(fmt.Sprintf(`
Everything stays up until Ctrl-C. To play with it:

  Webhooks page         %[1]s/shop.example/settings/webhooks
                        sign in as %[2]s / %[3]s
                        a URL to add there: %[8]s
  Plausible (stand-in)  %[1]s
                        change a notification or a goal there and watch the sidecar follow
  a visit               curl -X POST %[1]s/api/event -H 'content-type: application/json' \
                          -d '{"n":"Signup","d":"shop.example","u":"https://shop.example/register"}'
  PostgreSQL            %[4]s
  receiver              curl '%[5]s'
                        curl -X POST '%[5]s?path=/ops&do=fail:3'   (also hang, slow:4s, redirect:URL, 410, …)
  sidecar               %[6]s/readyz and /metrics
  commands              export DATABASE_URL='%[4]s' BASE_URL='%[1]s' WEBHOOKS_ALLOWED_TARGETS=127.0.0.0/8
                        %[7]s webhook list
`, s.front.URL(), plausible.DemoEmail, plausible.DemoPassword, s.database,
		s.receiver.HTTPURL("/_control"), "http://"+s.sidecar.Admin, s.sidecar.Binary, s.receiver.URL("/mine")))
}

// keepVisiting lets a visitor come every few seconds until ctx ends, so that
// there is something to see.
func (s *set) keepVisiting(ctx context.Context) {
	tick := time.NewTicker(3 * time.Second)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-s.sidecar.Exited():
			s.tell.say("demo", "the sidecar has ended")
			return
		case <-ctx.Done():
			s.tell.say("demo", "stopping")
			return
		case <-tick.C:
		}
		visit := plausible.Visit{Visitor: fmt.Sprintf("regular-%d", i%10), Domain: "shop.example", Path: "/"}
		if err := visit.Send(ctx, s.front.URL()); err != nil && ctx.Err() == nil {
			s.tell.say("visitors", "%v", err)
		}
	}
}
